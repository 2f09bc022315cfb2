//! File transfer: what the machines do, on real sockets and in the simulator.

mod tftp_machine;
