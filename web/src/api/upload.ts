import { API_BASE, baseHeaders, Problem, problemFrom, wiring } from './http'
import type { Attachment } from './types'

export interface Upload {
  done: Promise<Attachment>
  abort: () => void
}

/** fetch cannot report upload progress, so this one call uses XMLHttpRequest. `onProgress` gets 0…1. */
export function uploadAttachment(file: File, onProgress: (share: number) => void): Upload {
  const xhr = new XMLHttpRequest()
  const done = new Promise<Attachment>((resolve, reject) => {
    xhr.open('POST', `${API_BASE}/attachments`)
    for (const [name, value] of Object.entries(baseHeaders('POST'))) xhr.setRequestHeader(name, value)
    xhr.responseType = 'json'
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total)
    }
    xhr.onload = () => {
      if (xhr.status === 401) wiring.onUnauthorized()
      if (xhr.status >= 200 && xhr.status < 300) resolve(xhr.response as Attachment)
      else reject(problemFrom(xhr.status, xhr.response))
    }
    xhr.onerror = () => reject(new Problem(0, 'offline', '', ''))
    xhr.onabort = () => reject(new DOMException('aborted', 'AbortError'))
    const form = new FormData()
    form.append('file', file, file.name)
    xhr.send(form)
  })
  return { done, abort: () => xhr.abort() }
}
