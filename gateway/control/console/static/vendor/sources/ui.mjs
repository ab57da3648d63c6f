export * from "preact";
export * from "preact/hooks";
export { html } from "htm/preact";
export { signal, computed, effect, batch, untracked, useSignal, useComputed, useSignalEffect } from "@preact/signals";
export { createPortal, memo, forwardRef } from "preact/compat";
