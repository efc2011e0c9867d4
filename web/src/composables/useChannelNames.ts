import { useI18n } from 'vue-i18n'
import type { Words } from '@/api'
import { useChannels } from '@/stores/channels'

/** Channel words in the reader's language, from the manifests. */
export function useChannelNames() {
  const { locale, t, te } = useI18n()
  const store = useChannels()

  const pick = (words: Words | undefined): string => (words ? (locale.value === 'zh-CN' ? words.zh : words.en) : '')

  function channelName(key: string): string {
    const known = store.byKey.get(key)
    if (known) return pick(known.label)
    return te(`channel.${key}`) ? t(`channel.${key}`) : key
  }

  return { pick, channelName }
}
