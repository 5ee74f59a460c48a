"""惠桥 Huiqiao, the portal."""

import gc

# Some hundred thousand objects are made by importing the portal and live as long as the process. Looking through them for
# garbage again and again took a quarter of a start and a tenth of every request's time.
gc.set_threshold(50_000, 20, 50)
