//! TFTP packets: any bytes are one or not, what is one survives the way, and whatever options it has are
//! granted so that whoever asked accepts them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocols::transfer::tftp::{Bounds, Options, Packet, Pairs};

const BOUNDS: Bounds = Bounds { block_size: 8_192, window: 64, window_bytes: 1 << 16 };

fuzz_target!(|datagram: &[u8]| {
    let Ok(packet) = Packet::parse(datagram) else { return };
    let again = packet.to_vec();
    assert_eq!(Packet::parse(&again), Ok(packet));
    match packet {
        Packet::Read(request) | Packet::Write(request) => {
            assert!(!request.name.is_empty() && !request.name.contains(&0));
            let asked = Options::parse(request.options);
            let (granted, terms) = asked.grant(&BOUNDS, asked.size);
            let mut pairs = Vec::new();
            granted.encode(&mut pairs);
            assert_eq!(asked.accept(Pairs::new(&pairs)), Ok(terms));
        }
        Packet::Granted(pairs) => {
            let asked = Options { block_size: Some(1_024), ..Options::default() };
            let _ = asked.accept(pairs);
        }
        Packet::Data { .. } | Packet::Ack { .. } | Packet::Error { .. } => {}
    }
});
