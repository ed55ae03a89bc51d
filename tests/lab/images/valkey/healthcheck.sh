#!/bin/sh
# Healthy: the server answers and has loaded its data. A server with a password says NOAUTH to a stranger, which is an
# answer too; LOADING or silence is not. The exit code of the client alone says nothing.
valkey-cli -t 3 ping 2>&1 | grep -qE '^(PONG|NOAUTH)' # -t is the client's time-out in seconds
