from omnihub.store.engines.endpoints import Endpoints
from omnihub.store.engines.engines import Engines
from omnihub.store.engines.errors import EngineError, VarInUse

__all__ = ["Endpoints", "EngineError", "Engines", "VarInUse"]
