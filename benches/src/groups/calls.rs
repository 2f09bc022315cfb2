//! Calls of JSON-RPC: one at a time, and many in flight, by all that carries them.

use crate::askers::AskingWork;
use crate::calls::Calls;
use crate::processor;
use crate::work::{Case, Clock, Contender, Group};

/// The group.
pub fn group() -> Group {
    use Calls::{
        EpollHttp, EpollLines, EpollSocket, JaysonHttp, JaysonLines, JaysonSocket, JsonrpseeHttp,
        JsonrpseeSocket, ReactorHttp, ReactorLines, ReactorSocket,
    };
    Group {
        name: "calls",
        about: "What a call of JSON-RPC costs its server: three numbers are added. The ruler is jsonrpsee on \
                tokio's current-thread runtime, where there is one of it, and jayson on Node where there is \
                none: jsonrpsee does not speak in lines. (jayson takes part where it is installed.) epoll is a raw loop \
                that reads nothing of what it is asked, and has its answer ready: what the kernel takes of a call \
                that comes by itself, and nobody can save. What each does in user space is under \
                [counts](#counts).",
        shown: "sum by WebSocket, connections: 50, in flight on each: 1",
        cases: vec![
            case("sum in lines", (50, 1), &[JaysonLines, EpollLines, ReactorLines]),
            case("sum in lines", (50, 16), &[JaysonLines, EpollLines, ReactorLines]),
            case("sum by HTTP", (50, 1), &[JsonrpseeHttp, JaysonHttp, EpollHttp, ReactorHttp]),
            case(
                "sum by WebSocket",
                (50, 1),
                &[JsonrpseeSocket, JaysonSocket, EpollSocket, ReactorSocket],
            ),
            case(
                "sum by WebSocket",
                (50, 16),
                &[JsonrpseeSocket, JaysonSocket, EpollSocket, ReactorSocket],
            ),
        ],
    }
}

fn case(what: &str, (connections, depth): (usize, usize), calls: &[Calls]) -> Case {
    Case {
        name: format!("{what}, connections: {connections}, in flight on each: {depth}"),
        grows_to: None,
        unit: "call",
        clock: Clock::Processor,
        contenders: Contender::each_by_name(calls, Calls::peer, move |calls| {
            let running = processor::start_apart(|| calls.start())?;
            AskingWork::start(running, calls.asking(connections, depth))
        }),
    }
}
