mod causes;
mod explain;
mod grouping;
mod memory;
mod robust;
mod shared;
mod silence;
mod world;
