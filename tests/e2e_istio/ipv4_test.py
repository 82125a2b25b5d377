#!/usr/bin/env python3
"""Real Istio on a cluster with IPv4 alone."""
import sys

import suite

sys.exit(suite.main(dual=False, name='IPv4'))
