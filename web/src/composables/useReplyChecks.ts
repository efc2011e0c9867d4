import { computed, watch, type Ref } from 'vue'
import type { Attachment } from '@/api'
import { can } from '@/lib/capabilities'
import type { Draft } from '@/lib/drafts'
import { notCarried, partCount } from '@/lib/mediaRules'
import { isFilled } from '@/lib/templates'
import { textRoom } from '@/lib/textMeasure'
import type { useWays } from './useWays'

/** Whether what is written fits the way that it is to go. */
export function useReplyChecks(draft: Ref<Draft>, way: ReturnType<typeof useWays>, attachments: Ref<Attachment[]>, refused: Ref<string[]>) {
  const { current, channel, closed, open } = way

  const templates = computed(() => current.value?.reply.templates ?? [])
  const usesTemplate = computed(() => draft.value.template !== null)
  const room = computed(() => (usesTemplate.value ? null : textRoom(draft.value.text, channel.value)))
  /** What does not go as a file: by the channel's rules, and what the server said on top of that. */
  const notCarriedFiles = computed(() => {
    const ids = new Set([...notCarried(attachments.value, channel.value), ...refused.value])
    return attachments.value.filter((file) => ids.has(file.id))
  })
  const parts = computed(() => {
    const files = attachments.value.length - (draft.value.asLinks ? notCarriedFiles.value.length : 0)
    const linked = files < attachments.value.length ? 'a link' : ''
    return usesTemplate.value ? 1 : partCount(draft.value.text || linked, files, can(channel.value?.capabilities, 'one_part'))
  })
  const filled = computed(() => draft.value.text.trim() !== '' || attachments.value.length > 0)
  const fits = computed(() => {
    if (!current.value) return false
    if (usesTemplate.value) return isFilled(draft.value.template, templates.value)
    const window = current.value.reply.window
    const counted = !window || parts.value <= window.left
    return open.value && filled.value && counted && !room.value?.over && (notCarriedFiles.value.length === 0 || draft.value.asLinks)
  })

  // Another way has other templates, and carries other files.
  watch(
    () => current.value?.id,
    () => {
      refused.value = []
      draft.value.asLinks = false
      if (draft.value.template && !templates.value.some((one) => one.id === draft.value.template?.id)) draft.value.template = null
    },
  )
  watch(notCarriedFiles, (files) => {
    if (files.length === 0) draft.value.asLinks = false
  })

  const openTemplate = (): void => void (draft.value.template = { id: templates.value.length === 1 ? templates.value[0]!.id : '', values: {} })
  const closeTemplate = (): void => void (draft.value.template = null)

  return { templates, usesTemplate, room, notCarriedFiles, parts, fits, closed, openTemplate, closeTemplate }
}
