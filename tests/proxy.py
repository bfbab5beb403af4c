"""A link between a service and its broker that tests can spoil."""

import select
import socket
import time
from contextlib import suppress
from threading import Thread


class Proxy:
    """A link on loopback that can be slow, or cut."""

    def __init__(self, target: int) -> None:
        self.delay_s = 0.0
        self.cut = False
        self._target = target
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._server.accept()
            if self.cut:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            Thread(target=self._carry, args=(near, far), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with near, far, suppress(OSError):
            while not self.cut:
                for side in select.select([near, far], [], [], 0.05)[0]:
                    data = side.recv(65536)
                    if not data:
                        return
                    time.sleep(self.delay_s)
                    (far if side is near else near).sendall(data)
