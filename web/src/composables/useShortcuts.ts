import { onMounted, onUnmounted } from 'vue'

const EDITABLE = 'input, textarea, select, [contenteditable="true"], [role="menu"], [role="listbox"]'
/** Dialogs, drawers and pop-ups; an Escape pressed over them is theirs. */
const LAYERS = '.el-overlay, .el-popover, .el-dropdown__popper, .el-image-viewer__wrapper'

function isBusy(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return true
  if (target?.closest?.(EDITABLE)) return true
  return [...document.querySelectorAll<HTMLElement>(LAYERS)].some((layer) => layer.style.display !== 'none')
}

/** Single keys, as long as nobody is typing and no dialog is open. A handler that returns false lets the key pass. */
export function useShortcuts(keys: Record<string, (event: KeyboardEvent) => void | boolean>): void {
  let busy = false
  /** On the way down: a layer that closes by this very key is gone when it comes up again. */
  function look(event: KeyboardEvent): void {
    busy = isBusy(event)
  }
  function onKey(event: KeyboardEvent): void {
    const handler = keys[event.key]
    if (!handler || busy) return
    if (handler(event) !== false) event.preventDefault()
  }
  onMounted(() => {
    document.addEventListener('keydown', look, true)
    document.addEventListener('keydown', onKey)
  })
  onUnmounted(() => {
    document.removeEventListener('keydown', look, true)
    document.removeEventListener('keydown', onKey)
  })
}
