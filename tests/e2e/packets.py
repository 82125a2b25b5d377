"""What crosses a node's links: run on the node, sees TCP over IPv4 on all its interfaces until standard input ends, then prints one JSON object:
"lost", and "flows", a list of {"from", "to", "first", "last", "packets", "opened", "data"} for each direction of each connection. "opened" is when a
SYN was sent last that was no answer, "data" the first bytes of the first payload, in hex. Standard library only.
"""
import contextlib
import ctypes
import json
import select
import socket
import struct
import sys

ALL_PROTOCOLS = socket.htons(3)
SOL_PACKET, PACKET_STATISTICS, SO_ATTACH_FILTER, SO_TIMESTAMPNS = 263, 6, 26, 35
SYN, ACK = 2, 0x10
# Version 4 and protocol 6, 128 bytes of it; else nothing. Instructions of the kernel's classic filters: code, jt, jf, k.
FILTER = ((0x30, 0, 0, 0), (0x54, 0, 0, 0xf0), (0x15, 0, 3, 0x40), (0x30, 0, 0, 9), (0x15, 0, 1, 6), (0x06, 0, 0, 128), (0x06, 0, 0, 0))


def listen():
    link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, ALL_PROTOCOLS)
    program = b''.join(struct.pack('HBBI', *instruction) for instruction in FILTER)
    buffer = ctypes.create_string_buffer(program)
    link.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack('HL', len(FILTER), ctypes.addressof(buffer)))
    link.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    link.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    link.setblocking(False)
    with contextlib.suppress(BlockingIOError):  # what came before the filter
        while True:
            link.recv(1)
    return link


def take(flows, packet, ancillary):
    seconds, nanoseconds = struct.unpack('ll', ancillary[0][2][:16])
    now = seconds + nanoseconds / 1e9
    start = (packet[0] & 15) * 4
    length = struct.unpack_from('!H', packet, 2)[0]
    source, target, _, _, offset, flags = struct.unpack_from('!HHIIBB', packet, start)
    ends = (f'{socket.inet_ntoa(packet[12:16])}:{source}', f'{socket.inet_ntoa(packet[16:20])}:{target}')
    flow = flows.setdefault(ends, {'from': ends[0], 'to': ends[1], 'first': now, 'packets': 0, 'opened': None, 'data': ''})
    flow['last'] = now
    flow['packets'] += 1
    if flags & (SYN | ACK) == SYN:
        flow['opened'] = now
    payload = start + (offset >> 4) * 4
    if not flow['data'] and payload < length:
        flow['data'] = packet[payload:payload + 5].hex()


def main():
    flows = {}
    with listen() as link:
        print('ready', flush=True)
        while True:
            readable, _, _ = select.select([link, sys.stdin], [], [])
            for _ in range(1000 if link in readable else 0):
                try:
                    packet, ancillary, _, _ = link.recvmsg(128, 64)
                except BlockingIOError:
                    break
                take(flows, packet, ancillary)
            if readable == [sys.stdin]:
                break
        lost = struct.unpack('II', link.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
    print(json.dumps({'lost': lost, 'flows': list(flows.values())}))


if __name__ == '__main__':
    main()
