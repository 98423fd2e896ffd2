use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use otlp::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::client::export;
use crate::harness::{IN_FLIGHT_BYTES_MAX, Server};
use crate::requests::protobuf;

/// Reads to the end; how long it took in the runtime's time, and what came.
async fn until_closed(mut stream: TcpStream) -> (Duration, Vec<u8>) {
    let start = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    (start.elapsed(), answer)
}

#[tokio::test(start_paused = true)]
async fn who_connects_and_says_nothing_is_closed() {
    let server = Server::open();
    for address in [server.grpc, server.http] {
        let stream = TcpStream::connect(address).await.expect("connect");
        let (after, _) = until_closed(stream).await;
        assert!((Duration::from_secs(9)..Duration::from_secs(60)).contains(&after), "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn headers_that_do_not_end_are_cut() {
    let server = Server::open();
    let mut stream = TcpStream::connect(server.http).await.expect("connect");
    stream.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: door\r\nx: ").await.expect("write");
    let (after, _) = until_closed(stream).await;
    assert!((Duration::from_secs(9)..Duration::from_secs(60)).contains(&after), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_given_up() {
    let server = Server::open();
    let mut stream = TcpStream::connect(server.http).await.expect("connect");
    let head = "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/json\r\n\
                content-length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("write");
    let (after, answer) = until_closed(stream).await;
    assert!((Duration::from_secs(59)..Duration::from_secs(120)).contains(&after), "{after:?}");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("in time"), "{answer}");
    assert_eq!(server.gate.admission().in_flight(), 0);
}

/// An HTTP/2 frame.
fn http2(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The error code of the first GOAWAY frame among these bytes.
fn goaway(mut bytes: &[u8]) -> Option<u32> {
    loop {
        let (head, rest) = bytes.split_at_checked(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        if head[3] == 7 {
            return Some(u32::from_be_bytes(*payload.get(4..)?.first_chunk()?));
        }
        bytes = rest;
    }
}

#[tokio::test]
async fn streams_that_are_opened_and_reset_in_masses_end_the_connection() {
    let server = Server::open();
    // RFC 9113: HEADERS (1) with END_HEADERS (4), RST_STREAM (3) with CANCEL (8), SETTINGS (4).
    // The headers, by HPACK's static table: POST, http, /, and "d" as authority.
    let headers = [0x83, 0x86, 0x84, 0x41, 0x01, b'd'];
    let mut flood = PREFACE.to_vec();
    flood.extend(http2(4, 0, 0, &[]));
    for stream in (1..2000).step_by(2) {
        flood.extend(http2(1, 4, stream, &headers));
        flood.extend(http2(3, 0, stream, &8u32.to_be_bytes()));
    }
    for address in [server.grpc, server.http] {
        let stream = TcpStream::connect(address).await.expect("connect");
        let (mut read, mut write) = stream.into_split();
        let flood = flood.clone();
        // The connection may be closed before all of it is written.
        let writing = tokio::spawn(async move { write.write_all(&flood).await.is_ok() });
        let mut bytes = Vec::new();
        while goaway(&bytes).is_none() && read.read_buf(&mut bytes).await.is_ok_and(|n| n > 0) {}
        let enhance_your_calm = 0xb;
        assert_eq!(goaway(&bytes), Some(enhance_your_calm), "{address}");
        writing.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_http_2_peer_that_answers_no_ping_is_closed() {
    let server = Server::open();
    for address in [server.grpc, server.http] {
        let mut stream = TcpStream::connect(address).await.expect("connect");
        let hello = [PREFACE, &http2(4, 0, 0, &[])].concat();
        stream.write_all(&hello).await.expect("write");
        let (after, _) = until_closed(stream).await;
        assert!((Duration::from_secs(45)..Duration::from_secs(120)).contains(&after), "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_its_pings_stays_and_is_served() {
    let server = Server::open();
    let stream = TcpStream::connect(server.grpc).await.expect("connect");
    let (sender, connection) = h2::client::handshake(stream).await.expect("handshake");
    let connection = tokio::spawn(connection);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let mut sender = sender.ready().await.expect("ready");
    let request = http::Request::post("http://door/").body(()).expect("request");
    let (response, _) = sender.send_request(request, true).expect("send");
    assert_eq!(response.await.expect("a response").status(), 415);
    connection.abort();
}

#[tokio::test(start_paused = true)]
async fn a_drain_says_goodbye_and_ends_with_its_connections() {
    let server = Server::durable();
    let _ = server.intake.journal.send_replace(None);
    let idle = TcpStream::connect(server.http).await.expect("connect");
    let address = server.grpc;
    let in_flight = tokio::spawn(async move {
        export(address, Signal::Traces, &protobuf(Signal::Traces, 3)).await.status.code()
    });
    server.until(|server| server.count() == 1).await;
    server.stop();
    let _ = server.intake.journal.send_replace(Some(true));
    assert_eq!(in_flight.await.expect("no panic"), Code::Ok, "who was let in is answered");
    let (after, _) = until_closed(idle).await;
    assert!(after < Duration::from_secs(10), "{after:?}");
    server.served().await;
}

#[tokio::test]
async fn headers_beyond_the_cap_are_refused() {
    let server = Server::open();
    let long = "x".repeat(40_000);
    let headers = [("content-type", "application/grpc"), ("x-long", long.as_str())];
    let stream = TcpStream::connect(server.grpc).await.expect("connect");
    let (sender, connection) = h2::client::handshake(stream).await.expect("handshake");
    let connection = tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("ready");
    let mut request = http::Request::builder().method("POST").uri("http://door/");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let sent = sender.send_request(request.body(()).expect("request"), true);
    let refused = match sent {
        Ok((response, _)) => response.await.map_or(true, |r| r.status() == 431),
        Err(_) => true,
    };
    assert!(refused);
    connection.abort();
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn http_2_is_spoken_on_the_http_port_too() {
    let server = Server::open();
    let stream = TcpStream::connect(server.http).await.expect("connect");
    let (sender, connection) = h2::client::handshake(stream).await.expect("handshake");
    let connection = tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("ready");
    let request = http::Request::post("http://door/v1/traces")
        .header("content-type", "application/x-protobuf")
        .body(())
        .expect("request");
    let (response, _) = sender.send_request(request, true).expect("send");
    assert_eq!(response.await.expect("a response").status(), 200);
    connection.abort();
}

/// How much a new connection may send before any of it is read; it stays open with the sender.
async fn window_of(address: SocketAddr) -> (usize, h2::client::SendRequest<Bytes>) {
    let stream = TcpStream::connect(address).await.expect("connect");
    let mut builder = h2::client::Builder::new();
    let shaking = builder.max_send_buffer_size(64 << 20).handshake(stream);
    let (mut sender, mut connection) = shaking.await.expect("handshake");
    let mut pings = connection.ping_pong().expect("not taken yet");
    drop(tokio::spawn(connection));
    // The answer to a ping comes after the windows.
    let _ = pings.ping(h2::Ping::opaque()).await.expect("a pong");
    let request = http::Request::post("http://door/").body(()).expect("request");
    let (_response, mut body) = sender.send_request(request, false).expect("send");
    body.reserve_capacity(1 << 30);
    let _ = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
    (body.capacity(), sender)
}

#[tokio::test]
async fn the_more_connections_there_are_the_less_each_may_send_ahead() {
    let server = Server::open();
    let mut windows = Vec::new();
    let mut open = Vec::new();
    for number in 0..16 {
        let address = if number % 2 == 0 { server.grpc } else { server.http };
        let (window, sender) = window_of(address).await;
        windows.push(window);
        open.push(sender);
    }
    // All windows together are a quarter of what requests in flight may be.
    let share = |connections: usize| IN_FLIGHT_BYTES_MAX / 4 / connections;
    for (index, window) in windows.iter().enumerate() {
        let connections = index + 1;
        assert!(*window <= share(connections), "{windows:?}");
        assert!(*window * 2 > share(connections), "{windows:?}");
    }
}
