/** Hands a file that was read by the page to the browser's downloads. */
export function keepFile(content: Blob, filename: string): void {
  const address = URL.createObjectURL(content)
  const link = document.createElement('a')
  link.href = address
  link.download = filename
  link.click()
  // The download has begun by then; without a pause some browsers lose it.
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}
