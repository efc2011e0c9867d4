import { computed, reactive, ref, shallowReactive } from 'vue'
import { Problem, uploadAttachment, type Attachment } from '@/api'

export interface Tray {
  key: number
  name: string
  size: number
  /** 0…1 */
  progress: number
  attachment: Attachment | null
  problem: unknown
  abort: () => void
}

let nextKey = 0

/** Files on their way to the hub, beside a text that is still being written. */
export function useUploads() {
  const tray = ref<Tray[]>([])

  function add(files: Iterable<File>): void {
    for (const file of files) {
      const entry = reactive<Tray>({
        key: nextKey++,
        name: file.name || 'image.png',
        size: file.size,
        progress: 0,
        attachment: null,
        problem: null,
        abort: () => undefined,
      })
      tray.value.push(entry)
      const upload = uploadAttachment(file, (share) => (entry.progress = share))
      entry.abort = upload.abort
      upload.done.then(
        (attachment) => (entry.attachment = attachment),
        (error: unknown) => (entry.problem = error instanceof Problem ? error : new Problem(0, 'upload', '', '')),
      )
    }
  }

  function drop(key: number): void {
    tray.value.find((entry) => entry.key === key)?.abort()
    tray.value = tray.value.filter((entry) => entry.key !== key)
  }

  function restore(attachments: Attachment[]): void {
    tray.value = attachments.map((attachment) =>
      shallowReactive({
        key: nextKey++,
        name: attachment.filename,
        size: attachment.size,
        progress: 1,
        attachment,
        problem: null,
        abort: () => undefined,
      }),
    )
  }

  const clear = (): void => void (tray.value = [])
  const pending = computed(() => tray.value.some((entry) => !entry.attachment && !entry.problem))
  const attachments = computed(() => tray.value.flatMap((entry) => (entry.attachment ? [entry.attachment] : [])))
  return { tray, add, drop, clear, restore, pending, attachments }
}
