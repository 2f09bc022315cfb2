//! A client of TFTP: as many blocks at once as the server allows, and an answer to each window.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use super::PATIENCE;
use crate::Result;

/// Bytes of a block: what an Ethernet frame carries.
pub const BLOCK: usize = 1428;

const DATA: u16 = 3;
const ACK: u16 = 4;
const OACK: u16 = 6;

/// A request to read a file, with options.
pub fn request(name: &str, options: &[(&str, String)]) -> Vec<u8> {
    let mut packet = vec![0, 1];
    let words = [name, "octet"].into_iter();
    let options = options.iter().flat_map(|(key, value)| [*key, value]);
    for word in words.chain(options) {
        packet.extend_from_slice(word.as_bytes());
        packet.push(0);
    }
    packet
}

/// Fetches a file, a window of blocks at a time, and holds it against `original`. `before_end` is called
/// when everything is here, and the server does not know it: there are some who have a process for each
/// transfer, which ends then.
pub fn fetch(
    server: SocketAddr,
    name: &str,
    window: u16,
    mut original: impl Read,
    before_end: impl FnOnce() -> Result,
) -> Result<u64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut options = vec![("blksize", BLOCK.to_string())];
    if window > 1 {
        options.push(("windowsize", window.to_string()));
    }
    socket.send_to(&request(name, &options), server)?;
    let (mut packet, mut expected) = (vec![0; 2048], vec![0; BLOCK]);
    let window = agree(&socket, &mut packet, window)?;
    let (mut next, mut acknowledged, mut moved) = (1_u64, 0_u64, 0);
    loop {
        let length = socket.recv(&mut packet)?;
        let (number, content) = data(&packet[..length])?;
        if number != low_bits(next) {
            return Err(format!("block {number} came, not {next}: loopback loses nothing").into());
        }
        original.read_exact(&mut expected[..content.len()])?;
        if expected[..content.len()] != *content {
            return Err(format!("block {next} is not what is in the file").into());
        }
        moved += content.len() as u64;
        if content.len() < BLOCK {
            break;
        }
        if next - acknowledged == u64::from(window) {
            socket.send(&packet_of(ACK, low_bits(next)))?;
            acknowledged = next;
        }
        next += 1;
    }
    before_end()?;
    socket.send(&packet_of(ACK, low_bits(next)))?;
    Ok(moved)
}

/// Hears what the server grants; the window that it does.
fn agree(socket: &UdpSocket, packet: &mut [u8], window: u16) -> Result<u16> {
    let (length, from) = socket.recv_from(packet)?;
    // It answers from a port of its own.
    socket.connect(from)?;
    let mut words = packet[..length].get(2..).unwrap_or_default().split(|byte| *byte == 0);
    if packet[..2] != OACK.to_be_bytes() {
        return Err(format!("no options: {:?}", String::from_utf8_lossy(packet)).into());
    }
    let mut granted = (0, 1);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        let value = String::from_utf8_lossy(value);
        match name {
            b"blksize" => granted.0 = value.parse()?,
            b"windowsize" => granted.1 = value.parse()?,
            _ => {}
        }
    }
    if granted != (BLOCK, window) {
        return Err(format!("blocks and windows of {granted:?} are granted").into());
    }
    socket.send(&packet_of(ACK, 0))?;
    Ok(window)
}

fn data(packet: &[u8]) -> Result<(u16, &[u8])> {
    match packet {
        [0, kind, high, low, content @ ..] if u16::from(*kind) == DATA => {
            Ok((u16::from_be_bytes([*high, *low]), content))
        }
        _ => Err(format!("no data: {:?}", String::from_utf8_lossy(packet)).into()),
    }
}

fn packet_of(kind: u16, number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (kind.to_be_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

fn low_bits(number: u64) -> u16 {
    (number & 0xffff) as u16
}
