//! File transfer: FTP over TCP, TFTP over UDP.

pub mod tftp;
