"""TCP relays from a port of their own to a backend's port, all on loopback."""

import os
import tempfile

from lib import ROOT, TMP, free_port, start


def write(text):
    handle, path = tempfile.mkstemp(dir=TMP)
    with os.fdopen(handle, "w") as f:
        f.write(text)
    return path


def no_relay(backend):
    return backend


def haproxy(backend, tls=""):
    port = free_port()
    conf = write(f"""global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen relay
    bind 127.0.0.1:{port} {tls}
    server backend 127.0.0.1:{backend}
""")
    start([ROOT + "/usr/sbin/haproxy", "-db", "-f", conf])
    return port


def nginx(backend, tls="", more=""):
    port, prefix = free_port(), tempfile.mkdtemp(dir=TMP)
    conf = write(f"""load_module {ROOT}/usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid {prefix}/pid;
error_log stderr;
events {{}}
stream {{ server {{ listen 127.0.0.1:{port} {tls}; proxy_pass 127.0.0.1:{backend}; {more} }} }}
""")
    start([ROOT + "/usr/sbin/nginx", "-p", prefix, "-e", "stderr", "-c", conf])
    return port


def socat(backend):
    port = free_port()
    start([ROOT + "/usr/bin/socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork", f"TCP:127.0.0.1:{backend}"])
    return port


def redir(backend):
    port = free_port()
    start([ROOT + "/usr/bin/redir", "-n", f"127.0.0.1:{port}", f"127.0.0.1:{backend}"])
    return port


def rinetd(backend):
    port = free_port()
    start([ROOT + "/usr/sbin/rinetd", "-f", "-c", write(f"127.0.0.1 {port} 127.0.0.1 {backend}\n")])
    return port


def systemd_socket_proxyd(backend):
    port = free_port()
    proxyd = ROOT + "/lib/systemd/systemd-socket-proxyd"
    libraries = ROOT + "/lib/x86_64-linux-gnu/systemd:" + ROOT + "/usr/lib/x86_64-linux-gnu/systemd"
    env = dict(os.environ, LD_LIBRARY_PATH=libraries + ":" + os.environ["LD_LIBRARY_PATH"])
    activate = [ROOT + "/usr/bin/systemd-socket-activate", "-E", "LD_LIBRARY_PATH=" + env["LD_LIBRARY_PATH"]]
    start(activate + ["-l", f"127.0.0.1:{port}", proxyd, f"127.0.0.1:{backend}"], env=env)
    return port


ALL = [no_relay, haproxy, nginx, socat, redir, rinetd, systemd_socket_proxyd]
