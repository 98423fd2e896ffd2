mod book;
mod cloudevent;
mod grpc;
mod harness;
mod kafka;
mod lane;
