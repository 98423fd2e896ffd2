//! OTLP protobuf and JSON bytes to visitor calls with borrowed views, and a list of rejections.
