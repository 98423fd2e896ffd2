mod causes;
mod explain;
mod grouping;
mod robust;
mod shared;
mod silence;
mod world;
