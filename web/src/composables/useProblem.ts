import { useI18n } from 'vue-i18n'
import { ElMessage } from 'element-plus'
import 'element-plus/es/components/message/style/css'
import { Problem } from '@/api'

/** Away from the ticket's head, whose buttons are wanted next. */
const PLACE = { placement: 'bottom-left', offset: 72 } as const

/** The server's words begin as fragments do. */
const asSentence = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** Errors in words: the server's own where it spoke, ours where it could not. */
export function useProblem() {
  const { t } = useI18n()

  function words(error: unknown): string {
    if (error instanceof Problem) {
      if (error.offline) return t('errors.offline')
      if (error.status === 429 && error.retryAfter) return asSentence(error.detail) || t('errors.throttled', { seconds: error.retryAfter })
      return asSentence(error.detail || error.title) || t('errors.status', { status: error.status })
    }
    return error instanceof Error ? error.message : String(error)
  }

  function say(error: unknown): void {
    if (error instanceof DOMException && error.name === 'AbortError') return
    if (error instanceof Problem && error.status === 401) return
    ElMessage.error({ ...PLACE, message: words(error), grouping: true, showClose: true, duration: 6000 })
  }

  function done(text: string): void {
    ElMessage.success({ ...PLACE, message: text, grouping: true, duration: 2500 })
  }

  /** Runs, says what went wrong, and tells whether it went well. */
  async function attempt(run: () => Promise<unknown>): Promise<boolean> {
    try {
      await run()
      return true
    } catch (error) {
      say(error)
      return false
    }
  }

  return { words, say, done, attempt }
}
