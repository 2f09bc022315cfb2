//! Datagrams.

use super::*;

/// What arrives of a hundred numbered datagrams.
fn hundred(faults: Faults) -> (Vec<Vec<u8>>, Network) {
    let mut pair = Pair::new();
    pair.network.set_faults(faults);
    for number in 0..100 {
        pair.send_datagram(&[number; 20]);
        run(&mut pair.network, MS / 10);
    }
    run(&mut pair.network, SECOND);
    let arrived = pair.datagrams("echo").into_iter().map(<[u8]>::to_vec).collect();
    (arrived, pair.network)
}

#[test]
fn datagrams_are_lost_doubled_overtaken_and_corrupted_at_their_rates() {
    let all: Vec<Vec<u8>> = (0..100).map(|number| vec![number; 20]).collect();
    assert_eq!(hundred(Faults::calm()).0, all);
    let half = Rate::one_in(2);
    // The answers meet the same faults: of 200 at most, half.
    let (arrived, network) = hundred(Faults::calm().with(Fault::DatagramLost, half));
    assert!((30..70).contains(&arrived.len()), "{}", arrived.len());
    assert!(arrived.iter().all(|datagram| all.contains(datagram)) && arrived.is_sorted());
    assert!(network.fault_counts().of(Fault::DatagramLost) >= 100 - arrived.len() as u64);

    let (mut arrived, _) = hundred(Faults::calm().with(Fault::DatagramDuplicated, half));
    assert!((130..170).contains(&arrived.len()), "{}", arrived.len());
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived, all);

    let (mut arrived, _) = hundred(Faults::calm().with(Fault::DatagramReordered, half));
    assert!(!arrived.is_sorted());
    arrived.sort();
    assert_eq!(arrived, all);

    let (arrived, _) = hundred(Faults::calm().with(Fault::DatagramCorrupted, half));
    assert_eq!(arrived.len(), 100);
    let flipped = |(seen, sent): (&Vec<u8>, &Vec<u8>)| {
        seen.iter().zip(sent).map(|(seen, sent)| (seen ^ sent).count_ones()).sum::<u32>()
    };
    let flipped: Vec<u32> = arrived.iter().zip(&all).map(flipped).collect();
    assert!(flipped.iter().all(|&bits| bits <= 1), "one bit of a datagram at most");
    assert!((30..70).contains(&flipped.iter().sum::<u32>()));
}

#[test]
fn a_path_drops_what_is_longer_than_it_carries() {
    let mut network = Network::from_seed(1);
    network.set_faults(Faults::calm().with(Fault::DatagramTooLong, Rate::MOSTLY));
    let server = network.host("server", |registry| {
        registry.bind_datagram("0.0.0.0:7".parse()?, DatagramProbe::new("server"))?;
        Ok(Log::default())
    });
    let to = network.address(server, 7);
    network.host("client", move |registry| {
        let id = registry.bind_datagram("0.0.0.0:0".parse()?, DatagramProbe::new("client"))?;
        // No Ethernet carries the second, and the oldest modem the first.
        registry.send_to(id, &[1; 548], Some(&to))?;
        registry.send_to(id, &[2; 1_473], Some(&to))?;
        registry.send_to(id, &[3; 548], Some(&to))?;
        Ok(Log::default())
    });
    run(&mut network, SECOND);
    let told = network.app(server).unwrap().of("server");
    assert_eq!(told, ["open", "datagram 548", "datagram 548"]);
    assert_eq!(network.fault_counts().of(Fault::DatagramTooLong), 1);
}
