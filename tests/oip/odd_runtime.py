"""MLServer's scikit-learn runtime with the faults that a test asks for by the environment:
ODD_DELAY, seconds before each prediction; ODD_DIE_AT, the prediction at which the server kills itself;
ODD_COUNT, a file that gets one line a prediction.
"""

import asyncio
import os
import signal

from mlserver_sklearn import SKLearnModel


class OddModel(SKLearnModel):
    predictions = 0

    async def predict(self, payload):
        OddModel.predictions += 1
        with open(os.environ["ODD_COUNT"], "a") as count:
            count.write(f"{payload.inputs[0].shape[0]}\n")
        if OddModel.predictions == int(os.environ.get("ODD_DIE_AT", -1)):
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(float(os.environ.get("ODD_DELAY", 0)))
        return await super().predict(payload)
