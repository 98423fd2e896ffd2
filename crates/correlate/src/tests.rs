mod causes;
mod grouping;
mod robust;
mod shared;
mod silence;
mod world;
