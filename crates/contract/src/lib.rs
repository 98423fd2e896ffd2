//! The messages of fogbell.v1: protobuf, their JSON, and their conversion from the model.
