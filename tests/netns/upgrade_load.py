#!/usr/bin/env python3
"""One end of upgrade_test.py: a server on port 80, and clients that open one connection after another to an address.

The clients begin on SIGUSR1 and end on SIGUSR2, the server on SIGTERM. Each connection carries a number there and back. Prints "served N" now and then and "failed WHY" for each that went wrong.
"""
import signal
import socket
import socketserver
import sys
import threading

CLIENTS = 16


class Server(socketserver.ThreadingTCPServer):
    request_queue_size = 1024
    allow_reuse_address = True
    daemon_threads = True


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            while data := self.request.recv(4096):
                self.request.sendall(data)
        except OSError:
            pass  # the client has the story


def ask(address, text):
    with socket.create_connection((address, 80), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        answer = b''
        while data := connection.recv(4096):
            answer += data
    if answer != text:
        raise OSError(f'{len(answer)} of {len(text)} bytes came back')


class Clients:
    def __init__(self, address):
        self.address, self.served, self.over, self.lock = address, 0, threading.Event(), threading.Lock()

    def run(self):
        while not self.over.is_set():
            try:
                ask(self.address, b'%d' % self.served)
            except OSError as problem:
                print(f'failed {problem!r} after {self.served}', flush=True)
                self.over.wait(0.1)  # a proxy that is gone must not fill the disk with lines
                continue
            with self.lock:
                self.served += 1
                if self.served % 10 == 0:
                    print(f'served {self.served}', flush=True)


def main():
    server = Server(('', 80), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    clients, begun, ended = Clients(sys.argv[1]), threading.Event(), threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: begun.set())
    signal.signal(signal.SIGUSR2, lambda *_: clients.over.set())
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print('listening', flush=True)
    while not begun.wait(1):
        pass
    threads = [threading.Thread(target=clients.run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        clients.over.wait(1)
    print('clients are done', flush=True)
    while not ended.wait(1):
        pass


if __name__ == '__main__':
    main()
