// The one place that knows what the pages are written with. A child that is text is text: nothing here makes markup of it.
export { html, render, useState, useEffect, useRef, useMemo, useCallback } from "./vendor/preact-htm.js";
