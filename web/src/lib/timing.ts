/** Runs once, `pause` ms after the last call. */
export function debounced(run: () => void, pause: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  return () => {
    clearTimeout(timer)
    timer = setTimeout(run, pause)
  }
}
