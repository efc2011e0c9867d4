import { useI18n } from 'vue-i18n'
import { ElMessage } from 'element-plus'
import 'element-plus/es/components/message/style/css'
import { Problem } from '@/api'

/** Errors in words: the server's own where it spoke, ours where it could not. */
export function useProblem() {
  const { t } = useI18n()

  function words(error: unknown): string {
    if (error instanceof Problem) {
      if (error.offline) return t('errors.offline')
      if (error.status === 429 && error.retryAfter) return error.detail || t('errors.throttled', { seconds: error.retryAfter })
      return error.detail || error.title || t('errors.status', { status: error.status })
    }
    return error instanceof Error ? error.message : String(error)
  }

  function say(error: unknown): void {
    if (error instanceof DOMException && error.name === 'AbortError') return
    if (error instanceof Problem && error.status === 401) return
    ElMessage.error({ message: words(error), grouping: true, showClose: true, duration: 6000 })
  }

  function done(text: string): void {
    ElMessage.success({ message: text, grouping: true, duration: 2500 })
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
