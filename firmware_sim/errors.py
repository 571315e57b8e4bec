"""What can go wrong in the simulator, split by who must act.

SimulatorError            catch this, nothing wider
├── SceneError            the scene or its directory is wrong: its author acts; the simulator does not start
├── RequestError          a request cannot be met: whoever asked acts; the simulator goes on
│   └── CardThere         a card lies on the reader already: whoever asked waits, or takes it away
├── RecordingError        a recording cannot be made or read: whoever asked acts
└── SimulatorGone         nobody answers in that directory: start the simulator, or name the right directory
"""


class SimulatorError(Exception):
    """Base of everything the simulator raises on purpose."""


class SceneError(SimulatorError):
    """The scene cannot be built as written."""


class RequestError(SimulatorError):
    """A request names something that is not there, or asks for what cannot be done now."""


class SimulatorGone(SimulatorError):
    """The simulator does not run, or stopped during the request."""


class CardThere(RequestError):
    """A card lies on the reader already."""


class RecordingError(SimulatorError):
    """A line cannot be recorded, or a file is no recording."""
