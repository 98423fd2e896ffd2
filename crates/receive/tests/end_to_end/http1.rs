//! HTTP/1 as it goes over the wire: where requests end, and what connections outlive.

use std::time::Duration;

use otlp::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{REQUEST_BYTES_MAX, Server};
use crate::requests::protobuf;

const HEAD: &str =
    "POST /v1/traces HTTP/1.1\r\nhost: door\r\ncontent-type: application/x-protobuf\r\n";

/// A request with its length announced.
fn sized(body: &[u8]) -> Vec<u8> {
    [format!("{HEAD}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A request in chunks of these lengths, over and over.
fn chunked(body: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut request = format!("{HEAD}transfer-encoding: chunked\r\n\r\n").into_bytes();
    let (mut rest, mut lengths) = (body, lengths.iter().cycle());
    while !rest.is_empty() {
        let (chunk, next) = rest.split_at(rest.len().min(*lengths.next().expect("a cycle")));
        request.extend_from_slice(format!("{:x};about=it\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
        rest = next;
    }
    request.extend_from_slice(b"0\r\nx-trailer: 1\r\n\r\n");
    request
}

/// A response: its head, and its body as long as the head says.
async fn response(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a response"));
    }
    let head = String::from_utf8(head).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    let _ = stream.read_exact(&mut body).await.expect("a body");
    (head, body)
}

async fn status(stream: &mut TcpStream) -> String {
    let (head, _) = response(stream).await;
    head.split(' ').nth(1).expect("a status").to_owned()
}

/// What a server says to these bytes before it ends the connection.
async fn last_words(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.http).await.expect("connect");
    stream.write_all(bytes).await.expect("write");
    let mut words = Vec::new();
    let _ = stream.read_to_end(&mut words).await.expect("an end");
    String::from_utf8_lossy(&words).into_owned()
}

fn bodies(server: &Server) -> Vec<Vec<u8>> {
    let requests = server.intake.requests.lock().expect("lock");
    requests.iter().map(|(_, _, body)| body.clone()).collect()
}

#[tokio::test]
async fn requests_that_follow_each_other_are_told_apart_however_they_are_cut() {
    let sent: Vec<_> = [1, 700, 2, 30, 4].map(|spans| protobuf(Signal::Traces, spans)).into();
    let all = [
        sized(&sent[0]),
        chunked(&sent[1], &[1, 10_000, 17]),
        sized(&sent[2]),
        chunked(&sent[3], &[usize::MAX]),
        sized(&sent[4]),
    ]
    .concat();
    for cut in [usize::MAX, 4096, 1021, 1] {
        let server = Server::open();
        let stream = TcpStream::connect(server.http).await.expect("connect");
        let _ = stream.set_nodelay(true);
        let (mut read, mut write) = stream.into_split();
        let all = all.clone();
        let writing = tokio::spawn(async move {
            for piece in all.chunks(cut) {
                write.write_all(piece).await.expect("write");
                if cut < 4096 {
                    tokio::task::yield_now().await;
                }
            }
            write
        });
        let mut answers = Vec::new();
        server.until(|server| server.count() == sent.len()).await;
        drop(writing.await.expect("no panic"));
        let _ = read.read_to_end(&mut answers).await.expect("an end");
        let answers = String::from_utf8_lossy(&answers);
        assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), sent.len(), "{answers}");
        assert_eq!(bodies(&server), sent);
        assert_eq!(server.gate.admission().in_flight(), 0);
    }
}

#[tokio::test]
async fn a_connection_outlives_a_refusal_whose_body_was_heard_out() {
    let server = Server::open();
    let mut stream = TcpStream::connect(server.http).await.expect("connect");
    let long = vec![7; REQUEST_BYTES_MAX + 1];
    for (request, expected) in [
        (sized(b"\xff\xff\xff"), "400"),
        (sized(&long), "413"),
        (chunked(&long, &[65_536]), "413"),
        (b"GET /v1/traces HTTP/1.1\r\nhost: door\r\n\r\n".to_vec(), "405"),
        (b"POST /v2 HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc".to_vec(), "404"),
        (sized(&protobuf(Signal::Traces, 1)), "200"),
    ] {
        stream.write_all(&request).await.expect("write");
        assert_eq!(status(&mut stream).await, expected);
    }
    assert_eq!((server.count(), server.gate.admission().in_flight()), (1, 0));
}

#[tokio::test]
async fn the_head_alone_is_answered_by_a_head_alone() {
    let server = Server::open();
    let both = [b"HEAD /v1/traces HTTP/1.1\r\n\r\n".to_vec(), sized(b"")].concat();
    let mut stream = TcpStream::connect(server.http).await.expect("connect");
    stream.write_all(&both).await.expect("write");
    let mut answers = vec![0; 4096];
    let mut length = 0;
    while !String::from_utf8_lossy(&answers[..length]).contains("200 OK\r\n") {
        length += stream.read(&mut answers[length..]).await.expect("read");
    }
    let answers = String::from_utf8_lossy(&answers[..length]).into_owned();
    let (head, rest) = answers.split_once("\r\n\r\n").expect("the end of a head");
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("allow: POST"), "{head}");
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\n"), "{rest}");
}

#[tokio::test]
async fn who_asks_whether_to_continue_is_told() {
    let server = Server::open();
    let body = protobuf(Signal::Traces, 3);
    let asking = |length: usize| {
        format!("{HEAD}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n").into_bytes()
    };
    let mut stream = TcpStream::connect(server.http).await.expect("connect");
    stream.write_all(&asking(body.len())).await.expect("write");
    assert_eq!(response(&mut stream).await.0, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(&body).await.expect("write");
    assert_eq!(status(&mut stream).await, "200");
    assert_eq!(bodies(&server), [body]);
    // What would be refused is never sent; nobody knows whether it is, so nothing can follow.
    stream.write_all(&asking(REQUEST_BYTES_MAX + 1)).await.expect("write");
    let (head, _) = response(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 413 ") && head.contains("connection: close"), "{head}");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end"), 0);
}

#[tokio::test]
async fn who_says_that_it_is_the_last_request_is_taken_at_its_word() {
    let server = Server::open();
    let body = protobuf(Signal::Traces, 1);
    let length = body.len();
    for head in [
        format!("{HEAD}connection: close\r\ncontent-length: {length}\r\n\r\n"),
        HEAD.replace("1.1", "1.0") + &format!("content-length: {length}\r\n\r\n"),
    ] {
        let words = last_words(&server, &[head.as_bytes(), &body].concat()).await;
        assert!(
            words.starts_with("HTTP/1.1 200 ") && words.contains("connection: close"),
            "{words}"
        );
    }
}

#[tokio::test]
async fn what_is_no_request_is_told_so_and_ends_the_connection() {
    let server = Server::open();
    let long = format!("{HEAD}x: {}\r\n\r\n", "y".repeat(20_000));
    let two = format!("{HEAD}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n");
    let chunks = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
    for (bytes, status, piece) in [
        (long.clone(), "431", "16 KiB"),
        (HEAD.to_owned() + &"x: y\r\n".repeat(200) + "\r\n", "431", "100 fields"),
        ("\x16\x03\x01\x02 a handshake of TLS".to_owned(), "400", "cannot be read"),
        (two, "400", "transfer-encoding"),
        (format!("{chunks}zz\r\n\r\n"), "400", "size of a chunk"),
        (format!("{chunks}1\r\nabc"), "400", "longer than it says"),
        (format!("{chunks}1;{}", "x".repeat(2000)), "400", "size of a chunk"),
        (format!("{chunks}0\r\n{}", "x".repeat(20_000)), "400", "trailers"),
        (format!("{chunks}0\r\n{}", "x: y\r\n".repeat(4000)), "400", "trailers"),
    ] {
        let words = last_words(&server, bytes.as_bytes()).await;
        let bytes = &bytes[..bytes.len().min(100)];
        assert!(words.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes:?}: {words}");
        assert!(words.contains(piece) && words.contains("connection: close"), "{bytes:?}: {words}");
    }
    assert_eq!(server.gate.admission().in_flight(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_behind() {
    let server = Server::open();
    let whole = [sized(&[1; 100_000]), chunked(&[1; 100_000], &[50_000])];
    for request in &whole {
        let mut stream = TcpStream::connect(server.http).await.expect("connect");
        stream.write_all(&request[..60_000]).await.expect("write");
        stream.shutdown().await.expect("half of it");
        assert_eq!(status(&mut stream).await, "408");
        assert_eq!(stream.read(&mut [0; 1]).await.expect("an end"), 0);
    }
    assert_eq!((server.count(), server.gate.admission().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn idle_connections_end_with_the_drain_and_those_in_a_request_after_it() {
    let server = Server::durable();
    let mut idle = TcpStream::connect(server.http).await.expect("connect");
    idle.write_all(&sized(&protobuf(Signal::Traces, 1))).await.expect("write");
    assert_eq!(status(&mut idle).await, "200");
    let _ = server.intake.journal.send_replace(None);
    let mut busy = TcpStream::connect(server.http).await.expect("connect");
    busy.write_all(&sized(&protobuf(Signal::Traces, 2))).await.expect("write");
    server.until(|server| server.count() == 2).await;
    server.stop();
    assert_eq!(idle.read(&mut [0; 1]).await.expect("an end"), 0);
    let _ = server.intake.journal.send_replace(Some(true));
    let (head, _) = response(&mut busy).await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close"), "{head}");
    tokio::time::timeout(Duration::from_secs(1), server.served()).await.expect("nobody is left");
}
