"""Driver of locks and contacts on the lines of a GPIO chip: libgpiod v2, or a simulated chip behind a socket.

A real chip is named by its label ("pinctrl-bcm2711") or its path ("/dev/gpiochip0"). `chip = "socket:///PATH"`
names a chip that somebody plays behind a UNIX stream socket at PATH. The protocol of that socket, both ways one
JSON object a line, UTF-8, each line ended by LF and at most 65,536 bytes long:

The driver asks; "id" is a number of its choice, and the answer carries the same:

    {"op": "request", "id": 1, "consumer": "liuhen header",
     "outputs": [{"line": "GPIO17", "active_low": false, "value": 0}],
     "inputs": [{"line": "GPIO27", "active_low": false, "bias": "pull_up", "debounce_us": 50000}]}
    {"id": 1, "ok": true, "label": "simulated", "values": {"GPIO27": 1}}

takes the lines for this connection, all or none, and drives the outputs to "value" at once; "values" are those of
all inputs now. Asked once per connection. "bias" is "pull_up", "pull_down", "disabled" or "as_is".

    {"op": "set", "id": 2, "values": {"GPIO17": 1}}          {"id": 2, "ok": true}
    {"op": "get", "id": 3}                                   {"id": 3, "ok": true, "values": {"GPIO27": 1}}

drive some outputs; read all inputs. Every value is logical, 0 or 1: the physical level is the other one where
"active_low" is true. What cannot be done changes nothing and is answered

    {"id": 2, "ok": false, "error": "EINVAL", "line": "GPIO99"}

"ENOENT": no such line; "EBUSY": another connection has it; "EINVAL": anything else, among it a second request, an
output not taken, and a line that is no such object ("id" and "line" are null where they are not known). The
connection goes on after an error; an empty line is ignored, and one that is too long ends the connection.

The chip tells, at any time after the request, each change of an input that has lasted "debounce_us":

    {"event": "edge", "line": "GPIO27", "value": 0}

When the connection ends, its lines are free again, and each output keeps its physical level, as on most real
chips: nobody resets a lock because a program died. A chip that is pulled out closes its connections and its socket.
"""

from __future__ import annotations
