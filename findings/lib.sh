# Shared by the findings: a temporary folder, and pinned packages put into it.
# Nothing is installed on the machine. Source it after `set -euo pipefail`.

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TMP=$(mktemp -d)
chmod 755 "$TMP" # servers that drop root must still reach their files
trap 'rm -rf "$TMP"' EXIT
trap 'exit 130' INT TERM

# Exit 77: the experiment could not be run here. Exit 1: the behaviour changed.
cannot() { echo "cannot run: $*" >&2; exit 77; }

need_root() { [ "$(id -u)" = 0 ] || cannot "these servers change user, so start this as root"; }

# deb NAME=VERSION...: unpacks Debian 12 packages, and what they need that this
# machine lacks, under $TMP/root. Maintainer scripts do not run: no daemon starts.
# A security update takes a pinned version off the mirrors; ANY_VERSION=1 then
# runs the finding on the version that replaced it.
deb() {
    local want name list
    mkdir -p "$TMP/debs" "$TMP/root"
    for want in "$@"; do
        name=${want%%=*}
        [ -z "${ANY_VERSION:-}" ] || want=$name
        if ! apt-get install -s --no-install-recommends "$want" >"$TMP/plan" 2>/dev/null; then
            apt-get update -qq >/dev/null 2>&1 || true
            apt-get install -s --no-install-recommends "$want" >"$TMP/plan" 2>/dev/null ||
                cannot "$want is not to be had (Debian 12? replaced by an update? see ANY_VERSION in lib.sh)"
        fi
        list=$(sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+).*/\1=\3/p' "$TMP/plan")
        # shellcheck disable=SC2086
        (cd "$TMP/debs" && apt-get download -qq "$want" $list >/dev/null 2>"$TMP/err") ||
            cannot "$want: $(tail -n 1 "$TMP/err")"
    done
    for list in "$TMP"/debs/*.deb; do dpkg-deb -x "$list" "$TMP/root"; done
    rm -rf "$TMP/debs"
    export LD_LIBRARY_PATH="$TMP/root/usr/lib/x86_64-linux-gnu:$TMP/root/lib/x86_64-linux-gnu:$TMP/root/usr/lib"
}

# pip NAME==VERSION...: a virtual environment in $TMP/py.
pip() {
    python3 -m venv "$TMP/py" && "$TMP/py/bin/pip" -q --disable-pip-version-check install "$@" >&2 ||
        cannot "pip install $*"
}

# npm NAME@VERSION...: packages in $TMP/node_modules; their install scripts do not run.
npm() {
    (cd "$TMP" && command npm install --silent --no-save --ignore-scripts --no-audit --no-fund "$@" >&2) ||
        cannot "npm install $*"
}

# The servers that findings about FTP try, which are what people run and what libraries give them.
six_ftp_servers() {
    need_root
    deb vsftpd=3.0.3-13+b2 pure-ftpd=1.0.50-2.1+b2 proftpd-core=1.3.8+dfsg-4+deb12u5
    pip pyftpdlib==2.2.0 aioftp==0.28.3
    npm ftp-srv@4.6.3
}

# The servers that findings about ranges try; http_servers.py starts them.
http_file_servers() {
    need_root
    deb nginx=1.22.1-9+deb12u11 apache2-bin=2.4.71-1~deb12u1 lighttpd=1.4.69-1 caddy=2.6.2-5 h2o=2.2.5+dfsg2-7
    deb busybox=1:1.35.0-4+deb12u1+b1 ruby3.1=3.1.7+really3.1.2-0+deb12u1 ruby-webrick=1.8.1-1
    pip whitenoise==6.12.0 waitress==3.0.2 starlette==1.10.0 uvicorn==0.54.0 aiohttp==3.14.5 tornado==6.6.1 \
        twisted==26.10.0 werkzeug==3.1.9 bottle==0.13.4 cherrypy==18.10.0 falcon==4.4.0 sanic==25.12.1 webob==1.8.11
    npm express@5.3.0 sirv@3.0.2 serve-handler@6.1.8 http-server@14.1.1 koa@3.2.1 koa-range@0.3.0 koa-static@5.0.0 \
        hono@4.13.19 @hono/node-server@2.1.8 fastify@5.12.8 @fastify/static@10.1.11 @hapi/hapi@21.4.10 @hapi/inert@7.1.2
}

# experiment: runs the Python program on standard input, bounded in time, with lib.py at hand.
experiment() {
    cat >"$TMP/experiment.py"
    TMP=$TMP PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$HERE timeout 240 python3 "$TMP/experiment.py"
}
