//! By id.

use super::*;

/// As a stream's `send` by its own id does, so that whoever knows an id need not know who is calling.
#[test]
fn a_socket_that_is_sent_to_by_its_own_id_in_its_callback_sends_it_after_the_callback() {
    struct Twice;

    impl DatagramProtocol<()> for Twice {
        fn on_datagram(
            &mut self,
            socket: &mut DatagramTransport<'_, ()>,
            datagram: &Datagram<'_>,
            (): &mut (),
        ) {
            let id = socket.id();
            let later = socket.registry().send_to(id, b"later", Some(&datagram.from));
            later.expect("it is there");
            socket.send_to(b"first", &datagram.from).expect("it has room");
        }
    }

    let mut reactor = Reactor::<()>::new().expect("there are descriptors for a loop");
    let registry = reactor.registry();
    let id = registry.bind_datagram(any_port(), Twice).expect("loopback has a free port");
    let address = registry.socket_address(id).expect("it is open");
    let peer = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    peer.send_to(b"?", address.socket_addr().expect("it is an IP address")).expect("it has room");
    support::until(&mut reactor, &mut (), |(), registry| registry.stats().datagrams_sent == 2);
    let mut answer = [0; 5];
    for expected in [b"first", b"later"] {
        retry(|| peer.recv(&mut answer)).expect("it has been sent");
        assert_eq!(&answer, expected);
    }
}
