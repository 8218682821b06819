"""`python -m hostess_proxy` = `hostess proxy`."""

import sys

from hostess_proxy.main import main

sys.exit(main())
