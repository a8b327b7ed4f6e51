"""Registration: an account and its first key."""

import hashlib

from msgspec import UNSET

from orchestrion.api.decoding import decode
from orchestrion.api.http import Request, Response
from orchestrion.api.respond import HEADERS, Responder, encode
from orchestrion.core import contract
from orchestrion.core.bodies import KeyAnswer, RegisterBody
from orchestrion.core.commands import RegisterKey
from orchestrion.core.errors import ErrorCode
from orchestrion.core.outcomes import Registered, Rejection, Situation
from orchestrion.engine.mint import Mint
from orchestrion.engine.writer import Writer

CLOSED = "Registration is closed on this server: ask its operator for a key."


class KeyHandlers:
    """Handler for registration; `registration` is open or closed."""

    def __init__(self, writer: Writer, responder: Responder, mint: Mint, registration: str) -> None:
        self._writer = writer
        self._responder = responder
        self._mint = mint
        self._registration = registration

    async def register_key(self, request: Request) -> Response:
        """POST /v1/keys/register. The key leaves in this answer and is nowhere else."""
        body, _ = decode(request.body, RegisterBody)
        if self._registration == "closed":
            rejection = Rejection(
                code=ErrorCode.INVALID_REQUEST,
                status=404,
                message=CLOSED,
                situation=Situation.REGISTRATION_CLOSED,
            )
            return self._responder.refused(rejection, request)
        key = self._mint.api_key()
        command = RegisterKey(
            account_id=self._mint.account_id(),
            key_id=self._mint.key_id(),
            key_hash=hashlib.sha256(key.encode("ascii")).digest(),
            email=None if body.email is UNSET else body.email,
        )
        outcome = await self._writer.submit(command)
        if not isinstance(outcome, Registered):
            return self._responder.outcome(outcome, request)
        answer = KeyAnswer(
            api_key=key, account_id=outcome.account_id, agent_contract=contract.REGISTERED
        )
        return Response(status=201, body=encode(answer), headers=HEADERS)
