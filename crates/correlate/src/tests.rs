mod causes;
mod grouping;
mod robust;
mod world;
