"""The API server of a cluster, asked directly: what has to be quick, or often. The kubeconfig shows a client certificate inline."""
import base64
import http.client
import json
import ssl
import tempfile
import threading
import urllib.parse

import yaml

MERGE, STRATEGIC = 'application/merge-patch+json', 'application/strategic-merge-patch+json'
APPLY = 'application/apply-patch+yaml'


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(f'{status}: {text[:500]}')
        self.status = status


class Api:
    """For any number of threads, each with a connection of its own."""

    def __init__(self, kubeconfig):
        with open(kubeconfig, encoding='utf-8') as text:
            read = yaml.safe_load(text)
        server, user = read['clusters'][0]['cluster'], read['users'][0]['user']
        self.address = urllib.parse.urlsplit(server['server'])
        self.context = ssl.create_default_context(cadata=base64.b64decode(server['certificate-authority-data']).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user['client-certificate-data']) + b'\n' + base64.b64decode(user['client-key-data']))
            pair.flush()
            self.context.load_cert_chain(pair.name)
        self.mine = threading.local()

    def dial(self):
        return http.client.HTTPSConnection(self.address.hostname, self.address.port, timeout=60, context=self.context)

    def call(self, method, path, body=None, kind='application/json'):
        """The answer's object; Refused when the server says no. A connection that has ended meanwhile is made anew, once."""
        text = None if body is None else json.dumps(body)
        for last in (False, True):
            if getattr(self.mine, 'connection', None) is None:
                self.mine.connection = self.dial()
            try:
                self.mine.connection.request(method, path, text, {'content-type': kind} if text else {})
                answer = self.mine.connection.getresponse()
                data = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self.mine.connection.close()
                self.mine.connection = None
                if last:
                    raise
        if answer.status == 409 and method == 'POST' and last:
            return {}  # the first one had come through
        if answer.status >= 300:
            raise Refused(answer.status, data.decode(errors='replace'))
        return json.loads(data) if data[:1] == b'{' else data.decode(errors='replace')

    def lines(self, path):
        """Of an answer that goes on for as long as the server likes."""
        connection = self.dial()
        connection.timeout = None
        connection.request('GET', path)
        answer = connection.getresponse()
        if answer.status >= 300:
            raise Refused(answer.status, answer.read().decode(errors='replace'))
        try:
            for line in answer:
                yield line.decode(errors='replace').rstrip('\n')
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()
