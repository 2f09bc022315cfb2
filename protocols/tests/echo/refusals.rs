//! Which datagrams are not answered, by their addresses.

use protocols::echo::Refusal;
use reactor::Address;

fn decide(from: &str, own: &str) -> Option<Refusal> {
    Refusal::of(&from.parse().expect("an address"), &own.parse().expect("an address"))
}

#[test]
fn an_ordinary_source_is_answered() {
    for from in ["127.0.0.1:40000", "192.0.2.1:7008", "[2001:db8::1]:1", "[::1]:65535"] {
        assert_eq!(decide(from, "127.0.0.1:7007"), None, "{from}");
    }
    assert_eq!(decide("unix:/tmp/client", "unix:/tmp/echo"), None);
    assert_eq!(decide("unix:@client", "unix:@echo"), None);
}

#[test]
fn services_that_would_answer_the_answer_are_not_answered() {
    for port in [7, 13, 17, 19, 37, 53, 69, 123] {
        for from in [format!("192.0.2.1:{port}"), format!("[2001:db8::1]:{port}")] {
            assert_eq!(decide(&from, "0.0.0.0:7007"), Some(Refusal::ReplyPort), "{from}");
        }
    }
}

#[test]
fn we_do_not_answer_ourselves_by_any_of_our_addresses() {
    for from in ["127.0.0.1:7007", "127.0.0.2:7007", "192.0.2.1:7007", "[::1]:7007"] {
        for own in ["127.0.0.1:7007", "0.0.0.0:7007", "[::]:7007"] {
            assert_eq!(decide(from, own), Some(Refusal::OwnPort), "{from} to {own}");
        }
    }
    assert_eq!(decide("unix:/tmp/echo", "unix:/tmp/echo"), Some(Refusal::OwnPort));
}

#[test]
fn whoever_has_no_return_address_is_not_answered() {
    assert_eq!(decide("192.0.2.1:0", "127.0.0.1:7007"), Some(Refusal::NoReturnAddress));
    let own = "unix:/tmp/echo".parse().expect("an address");
    assert_eq!(Refusal::of(&Address::Unnamed, &own), Some(Refusal::NoReturnAddress));
}

#[test]
fn each_refusal_has_its_own_place_and_its_own_words() {
    for (place, refusal) in Refusal::ALL.into_iter().enumerate() {
        assert_eq!(refusal as usize, place);
        assert!(!refusal.to_string().is_empty());
    }
}
