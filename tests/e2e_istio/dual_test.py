#!/usr/bin/env python3
"""Real Istio on a cluster with IPv4 and IPv6: every case by both."""
import sys

import suite

sys.exit(suite.main(dual=True, name='dual stack'))
