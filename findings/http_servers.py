"""HTTP servers that send the files of a folder on loopback, and know ranges."""

from lib import ENV, PYTHON, ROOT, TMP, connect, free_port, start

# Each serves the folder that is its first argument on the port that is its second.
_PYTHONS = {
    "whitenoise": """from waitress import serve; from whitenoise import WhiteNoise
serve(WhiteNoise(None, root=folder, autorefresh=True), host='127.0.0.1', port=port)""",
    "starlette": """import uvicorn; from starlette.staticfiles import StaticFiles
uvicorn.run(StaticFiles(directory=folder), port=port)""",
    "aiohttp": """from aiohttp import web
app = web.Application(); app.router.add_static('/', folder)
web.run_app(app, host='127.0.0.1', port=port, print=None)""",
    "tornado": """import asyncio; from tornado import web
async def main():
    web.Application([('/(.*)', web.StaticFileHandler, {'path': folder})], static_hash_cache=False).listen(port, '127.0.0.1')
    await asyncio.Event().wait()
asyncio.run(main())""",
    "twisted": """from twisted.internet import reactor; from twisted.web import server, static
reactor.listenTCP(port, server.Site(static.File(folder)), interface='127.0.0.1'); reactor.run()""",
    "werkzeug": """from waitress import serve; from werkzeug import Request; from werkzeug.utils import send_from_directory
serve(Request.application(lambda r: send_from_directory(folder, r.path[1:], r.environ)), host='127.0.0.1', port=port)""",
    "bottle": """import bottle; from waitress import serve
app = bottle.Bottle(); app.route('/<path:path>', callback=lambda path: bottle.static_file(path, folder))
serve(app, host='127.0.0.1', port=port)""",
    "cherrypy": """import cherrypy
cherrypy.config.update({'server.socket_port': port, 'engine.autoreload.on': False})
cherrypy.quickstart(None, '/', {'/': {'tools.staticdir.on': True, 'tools.staticdir.dir': folder}})""",
    "falcon": """import falcon; from waitress import serve
app = falcon.App(); app.add_static_route('/', folder); serve(app, host='127.0.0.1', port=port)""",
    "sanic": """from sanic import Sanic
app = Sanic('files'); app.static('/', folder, use_content_range=True)
app.run('127.0.0.1', port, single_process=True, access_log=False)""",
    "webob": """from waitress import serve; from webob.static import DirectoryApp
serve(DirectoryApp(folder), host='127.0.0.1', port=port)""",
}
_NODES = {
    "express": "(express => express().use(express.static(folder)).listen(port, '127.0.0.1'))(require('express'))",
    "sirv": "require('http').createServer(require('sirv')(folder, { dev: true, etag: true })).listen(port, '127.0.0.1')",
    "serve-handler": """require('http').createServer((request, response) =>
    require('serve-handler')(request, response, { public: folder, etag: true })).listen(port, '127.0.0.1')""",
    "http-server": "require('http-server').createServer({ root: folder }).listen(port, '127.0.0.1')",
    "koa-range": """(Koa => { const app = new Koa(); app.use(require('koa-range')); app.use(require('koa-static')(folder));
    app.listen(port, '127.0.0.1'); })(require('koa'))""",
    "hono": """const { Hono } = require('hono'), node = require('@hono/node-server');
const app = new Hono(); app.use('/*', require('@hono/node-server/serve-static').serveStatic({ root: '.' }));
node.serve({ fetch: app.fetch, port: +port, hostname: '127.0.0.1' })""",
    "fastify": """const app = require('fastify')(); app.register(require('@fastify/static'), { root: folder });
app.listen({ port: +port, host: '127.0.0.1' })""",
    "hapi": """const server = require('@hapi/hapi').server({ port: +port, host: '127.0.0.1', routes: { files: { relativeTo: folder } } });
server.register(require('@hapi/inert')).then(() => {
    server.route({ method: 'GET', path: '/{path*}', handler: { directory: { path: '.' } } }); return server.start(); })""",
}
_CONF = {
    "nginx": """daemon off; master_process off; pid {TMP}/nginx.pid; error_log stderr; events {{}}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; root {folder}; }} }}""",
    "apache": """ServerRoot {TMP}
DefaultRuntimeDir {TMP}
PidFile {TMP}/apache.pid
LoadModule mpm_event_module {ROOT}/usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module {ROOT}/usr/lib/apache2/modules/mod_authz_core.so
Listen 127.0.0.1:{port}
ServerName files
User nobody
Group nogroup
DocumentRoot {folder}
ErrorLog /dev/stderr
""",
    # Without its cache, which sends the old file for a second or more.
    "lighttpd": """server.document-root = "{folder}"
server.port = {port}
server.bind = "127.0.0.1"
server.stat-cache-engine = "disable"
mimetype.assign = ( ".txt" => "text/plain" )
""",
    "h2o": """listen: {{ host: 127.0.0.1, port: {port} }}
user: root
hosts: {{ files: {{ paths: {{ /: {{ file.dir: {folder} }} }} }} }}
""",
}
_PROGRAMS = {
    "nginx": ["/usr/sbin/nginx", "-p", "{TMP}", "-e", "stderr", "-c", "{conf}"],
    "apache": ["/usr/sbin/apache2", "-X", "-f", "{conf}"],
    "lighttpd": ["/usr/sbin/lighttpd", "-D", "-m", "{ROOT}/usr/lib/lighttpd", "-f", "{conf}"],
    "h2o": ["/usr/bin/h2o", "-c", "{conf}"],
    "caddy": ["/usr/bin/caddy", "file-server", "--root", "{folder}", "--listen", "127.0.0.1:{port}"],
    "busybox": ["/bin/busybox", "httpd", "-f", "-p", "127.0.0.1:{port}", "-h", "{folder}"],
    "webrick": ["/usr/bin/ruby3.1", "-rwebrick", "-e", """WEBrick::HTTPServer.new(Port: {port}, BindAddress: '127.0.0.1',
    DocumentRoot: '{folder}', AccessLog: []).start"""],
}
_RUBY = ["lib/ruby/vendor_ruby", "lib/ruby/3.1.0", "lib/x86_64-linux-gnu/ruby/3.1.0", "lib/x86_64-linux-gnu/ruby/vendor_ruby/3.1.0",
         "share/rubygems-integration/all/gems/webrick-1.8.1/lib"]
_ENV = dict(ENV, HOME=TMP, NODE_PATH=TMP + "/node_modules", RUBYLIB=":".join(f"{ROOT}/usr/{folder}" for folder in _RUBY))
SERVERS = [*_PROGRAMS, *_PYTHONS, *_NODES]


def serve(name, folder):
    """Starts the server, and returns its port when it listens there."""
    port, conf = free_port(), f"{TMP}/{name}.conf"
    known = {"TMP": TMP, "ROOT": ROOT, "conf": conf, "folder": folder, "port": port}
    if name in _CONF:
        with open(conf, "w") as f:
            f.write(_CONF[name].format_map(known))
    if name in _PROGRAMS:
        program, *rest = _PROGRAMS[name]
        argv = [ROOT + program, *(word.format_map(known) for word in rest)]
    elif name in _PYTHONS:
        argv = [PYTHON, "-W", "ignore", "-c", "import sys; folder, port = sys.argv[1], int(sys.argv[2])\n" + _PYTHONS[name]]
    else:
        argv = ["node", "-e", "const [, folder, port] = process.argv;\n" + _NODES[name]]
    if name not in _PROGRAMS:
        argv += [folder, str(port)]
    start(argv, cwd=folder, env=_ENV)
    connect(port).close()
    return port
