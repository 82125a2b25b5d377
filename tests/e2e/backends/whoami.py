"""Says who answers, in several protocols: the backend of the walk-throughs.

usage: whoami.py PROTOCOL:PORT...
of http, tls (the same behind /tls/tls.crt and /tls/tls.key), tcp (speaks first, then echoes) and udp (echoes).

HTTP: a GET of /slow is answered after ten seconds; whoever waits for it shall have given up. Standard library only.
"""
import http.server
import socket
import socketserver
import ssl
import sys
import threading
import time

SLOW_S = 10
NAME = socket.gethostname()


class Http(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        if self.path == '/slow':
            time.sleep(SLOW_S)
        lines = [f'Hostname: {NAME}', 'RemoteAddr: {}:{}'.format(*self.client_address), self.requestline,
                 *(f'{name}: {value}' for name, value in self.headers.items()), '']
        body = '\n'.join(lines).encode()
        self.send_response(200)
        self.send_header('content-type', 'text/plain; charset=utf-8')
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Tcp(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(f'Hostname: {NAME}\n'.encode())
        for line in self.rfile:
            self.wfile.write(line)


class Udp(socketserver.BaseRequestHandler):
    def handle(self):
        data, server = self.request
        server.sendto(f'Hostname: {NAME}\n'.encode() + data, self.client_address)


class HttpServer(http.server.ThreadingHTTPServer):
    request_queue_size = 512


class TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def serve(protocol, port):
    if protocol == 'tcp':
        return TcpServer(('', port), Tcp)
    if protocol == 'udp':
        return socketserver.ThreadingUDPServer(('', port), Udp)
    server = HttpServer(('', port), Http)
    if protocol == 'tls':
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain('/tls/tls.crt', '/tls/tls.key')
        server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def main():
    for word in sys.argv[1:]:
        protocol, port = word.split(':')
        threading.Thread(target=serve(protocol, int(port)).serve_forever).start()


main()
