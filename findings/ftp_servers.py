"""Six FTP servers on loopback, each with one account and a folder holding one file, `big`."""

import os
import shutil
import subprocess
import tempfile

from lib import PYTHON, ROOT, TMP, connect, free_port, start

SIZE = 30_000_000


def _home():
    home = tempfile.mkdtemp(prefix="home", dir=TMP)
    os.chmod(home, 0o777)
    with open(home + "/big", "wb") as f:
        f.write(b"x" * SIZE)
    os.chmod(home + "/big", 0o644)
    return home


def _write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


def vsftpd():
    home, port = _home(), free_port()
    os.chmod(home, 0o755)  # it refuses a writable root
    os.mkdir(home + "/up")
    os.chmod(home + "/up", 0o777)
    os.mkdir(home + ".empty")
    conf = _write(home + ".conf", f"""listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
anon_upload_enable=YES
write_enable=YES
anon_root={home}
ftp_username=daemon
nopriv_user=nobody
secure_chroot_dir={home}.empty
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
""")
    start([ROOT + "/usr/sbin/vsftpd", conf])
    return Session(port, "anonymous", home + "/up", "up/")


def pure_ftpd():
    home, port = _home(), free_port()
    subprocess.run(
        [ROOT + "/usr/bin/pure-pw", "useradd", "joe", "-u", "65534", "-g", "65534", "-d", home]
        + ["-f", home + ".passwd", "-F", home + ".pdb", "-m"],
        input=b"secret\nsecret\n", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
    )
    start([ROOT + "/usr/sbin/pure-ftpd", "-H", "-l", f"puredb:{home}.pdb", "-S", f"127.0.0.1,{port}"])
    return Session(port, "joe", home)


def proftpd():
    home, port = _home(), free_port()
    secret = subprocess.check_output(["openssl", "passwd", "-6", "secret"], text=True).strip()
    os.chmod(_write(home + ".passwd", f"joe:{secret}:65534:65534::{home}:/bin/sh\n"), 0o600)
    conf = _write(home + ".conf", f"""ServerType standalone
DefaultAddress 127.0.0.1
SocketBindTight on
Port {port}
User nobody
Group nogroup
AuthOrder mod_auth_file.c
AuthUserFile {home}.passwd
RequireValidShell off
UseReverseDNS off
DefaultRoot ~
AllowOverwrite on
WtmpLog off
ScoreboardFile {home}.score
PidFile {home}.pid
""")
    start([ROOT + "/usr/sbin/proftpd", "-n", "-c", conf])
    return Session(port, "joe", home)


def pyftpdlib():
    home, port = _home(), free_port()
    start([PYTHON, "-m", "pyftpdlib", "-i", "127.0.0.1", "-p", str(port), "-w", "-d", home])
    return Session(port, "anonymous", home)


def aioftp():
    home, port = _home(), free_port()
    start([PYTHON, "-m", "aioftp", "--host", "127.0.0.1", "--port", str(port)], cwd=home)
    return Session(port, "anonymous", home)


def ftp_srv():
    home, port = _home(), free_port()
    program = _write(TMP + "/ftp-srv.js", """
const Server = require('ftp-srv');
const [, , port, root] = process.argv;
const server = new Server({url: `ftp://127.0.0.1:${port}`, pasv_url: '127.0.0.1', pasv_min: 20000, anonymous: true});
server.on('login', (_, accept) => accept({root}));
server.listen();
""")
    start([shutil.which("node"), program, str(port), home])
    return Session(port, "anonymous", home)


ALL = [vsftpd, pure_ftpd, proftpd, pyftpdlib, aioftp, ftp_srv]


class Session:
    """A logged-in control connection."""

    def __init__(self, port, user, uploads, prefix=""):
        self.uploads, self.prefix = uploads, prefix
        self.sock, self.rest = connect(port), b""
        self.reply()
        if self.command("USER " + user)[:3] == "331":
            self.command("PASS secret")
        assert self.command("TYPE I")[:3] == "200"

    def reply(self, seconds=15):
        """The last line of the next reply; 'silence', or 'closed'."""
        while True:
            while b"\n" not in self.rest:
                self.sock.settimeout(seconds)
                try:
                    data = self.sock.recv(4096)
                except TimeoutError:
                    return "silence"
                except ConnectionResetError:
                    return "closed"
                if not data:
                    return "closed"
                self.rest += data
            line, self.rest = self.rest.split(b"\n", 1)
            line = line.decode("latin-1").rstrip("\r")
            if line[:3].isdigit() and line[3:4] == " ":
                return line

    def codes(self, seconds=5):
        """The codes of all replies until the server closes or is silent."""
        codes = []
        while True:
            line = self.reply(seconds)
            codes.append(line if line in ("silence", "closed") else line[:3])
            if line in ("silence", "closed"):
                return codes

    def command(self, line, seconds=15):
        self.sock.sendall(line.encode() + b"\r\n")
        return self.reply(seconds)

    def passive(self):
        """Asks for a passive port (EPSV where PASV is refused) and returns it."""
        reply = self.command("PASV")
        if reply[:3] != "227":
            return int(self.command("EPSV").split("|")[3])
        numbers = reply[reply.index("(") + 1 : reply.index(")")].split(",")
        return int(numbers[4]) * 256 + int(numbers[5])
