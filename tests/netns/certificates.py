"""Certificates that no honest CA would give, made with the key of a mesh's own CA by the openssl program."""
import shutil
import subprocess

import lib

DAYS = '1'
GOOD = 'spiffe://cluster.local/ns/default/sa/app-a'


def why_not():
    return None if shutil.which('openssl') else 'needs openssl'


def openssl(*words):
    done = subprocess.run(['openssl', *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True)
    lib.check(done.returncode == 0, f'openssl {" ".join(map(str, words))}: {done.stderr.decode(errors="replace")}')


def san_der(*names):
    """subjectAltName from raw names: (tag, bytes); 0x86 is a URI, 0x82 a DNS name."""
    inner = b''.join(bytes([tag]) + _length(len(raw)) + raw for tag, raw in names)
    return 'DER:' + (b'\x30' + _length(len(inner)) + inner).hex(':')


def _length(size):
    return bytes([size]) if size < 128 else bytes([0x81, size])


class Authority:
    """The CA of a mesh that aquifer-control made (its state's folder ca), or one of our own."""

    def __init__(self, folder, state=None):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        if state:
            self.key, self.certificate = state / 'ca/ca-key.pem', state / 'ca/root-cert.pem'
            return
        self.key, self.certificate = folder / 'own-ca.key', folder / 'own-ca.pem'
        self.key_pair(self.key)
        openssl('req', '-x509', '-new', '-key', self.key, '-subj', '/O=stranger', '-days', DAYS, '-out', self.certificate)

    @staticmethod
    def key_pair(path, bits=None):
        if bits:
            openssl('genrsa', '-traditional', '-out', path, bits)
        else:
            openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', path)

    def leaf(self, name, san=f'URI:{GOOD}', usage='clientAuth,serverAuth', bits=None, extra='', expired=False, self_signed=False):
        """A file with key, leaf and chain."""
        key, request, out = (self.folder / f'{name}{end}' for end in ('.key', '.csr', '.crt'))
        self.key_pair(key, bits)
        openssl('req', '-new', '-key', key, '-subj', '/', '-out', request)
        config = self.folder / f'{name}.cnf'
        lines = [f'extendedKeyUsage={usage}', 'keyUsage=critical,digitalSignature']
        if san:
            lines.append(f'subjectAltName=critical,{san}')
        config.write_text('\n'.join([*([extra] if extra else ['basicConstraints=critical,CA:FALSE']), *lines]) + '\n')
        signer = ['-signkey', key] if self_signed else ['-CA', self.certificate, '-CAkey', self.key]
        openssl('x509', '-req', '-in', request, *signer, '-set_serial', '0x' + name.encode().hex()[:30], '-extfile', config,
                '-days', '-1' if expired else DAYS, '-sha256', '-out', out)
        whole = self.folder / f'{name}.pem'
        whole.write_text(key.read_text() + out.read_text() + self.certificate.read_text())
        return whole

    def request(self, name, san, bits=None):
        """PEM of a CSR with these names."""
        key, config, out = (self.folder / f'{name}{end}' for end in ('-csr.key', '-csr.cnf', '-csr.pem'))
        self.key_pair(key, bits)
        config.write_text(f'[req]\ndistinguished_name=dn\nreq_extensions=ext\nprompt=no\n[dn]\nO=x\n[ext]\nsubjectAltName={san}\n')
        openssl('req', '-new', '-key', key, '-config', config, '-out', out)
        return out.read_text()
