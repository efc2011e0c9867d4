import { ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { Problem, serverNow, tickets as api, type Attachment, type Message, type ReplyBody, type Status } from '@/api'
import { newKey } from '@/api/http'
import type { Draft } from '@/lib/drafts'
import { useTicket } from '@/stores/ticket'
import { useTickets } from '@/stores/tickets'
import { useUndo } from '@/stores/undo'
import { useProblem } from './useProblem'

interface Letter {
  ticketId: string
  draft: Draft
  /** Where it goes, where that is none of the ticket's conversations. */
  elsewhere?: { account_id: string; to_key: string }
  attachments: Attachment[]
  answeringId: string | null
  status?: Status
}

/** Sends replies and notes; a repeat after a broken line carries the same key, so nothing goes out twice. */
export function useSending() {
  const { t } = useI18n()
  const store = useTicket()
  const undo = useUndo()
  const { words } = useProblem()

  const busy = ref(false)
  const fault = ref('')
  const stale = ref<Message[]>([])
  /** Files that the server says the channel does not carry. */
  const refusedFiles = ref<string[]>([])
  let key = newKey()
  let keyFor = ''

  function keyOf(body: unknown): string {
    const text = JSON.stringify(body)
    if (text !== keyFor) {
      keyFor = text
      key = newKey()
    }
    return key
  }

  async function guarded(run: () => Promise<void>): Promise<boolean> {
    busy.value = true
    fault.value = ''
    refusedFiles.value = []
    try {
      await run()
      keyFor = ''
      return true
    } catch (error) {
      if (error instanceof Problem && error.code === 'stale_view') {
        const between = (error.details.messages as Message[] | undefined) ?? []
        // What came in between is put on screen too, so that "keep editing" ends with a view that is up to date.
        await Promise.all([store.refreshTimeline(), store.refreshDetail()]).catch(() => undefined)
        store.sawBetween(between)
        stale.value = between
        if (between.length === 0) fault.value = t('stale.changed')
      } else if (error instanceof Problem && Array.isArray(error.details.not_carried)) {
        refusedFiles.value = error.details.not_carried as string[]
      } else fault.value = error instanceof Problem && error.offline ? t('composer.offline') : words(error)
      return false
    } finally {
      busy.value = false
    }
  }

  function bodyOf({ draft, elsewhere, attachments, answeringId, status }: Letter, force: boolean): ReplyBody {
    const way = elsewhere ?? { conversation_id: draft.conversationId || undefined, answering_id: answeringId ?? undefined }
    const said = draft.template
      ? { text: '', template: draft.template }
      : { text: draft.text, attachment_ids: attachments.map((file) => file.id), as_links: (draft.asLinks && attachments.length > 0) || undefined }
    return {
      ...way,
      ...said,
      seen_inbound_id: store.seenInboundId,
      seen_message_id: store.seenMessageId ?? undefined,
      cc: draft.cc.length ? draft.cc : undefined,
      bcc: draft.bcc.length ? draft.bcc : undefined,
      status,
      force: force || undefined,
    }
  }

  /** The message that is on its way, or null. Of an answer in several parts this is the first. */
  async function reply(letter: Letter, force: boolean): Promise<Message | null> {
    let first: Message | null = null
    const went = await guarded(async () => {
      const body = bodyOf(letter, force)
      const sent = await api.reply(letter.ticketId, body, keyOf(body))
      first = sent
      store.takeMessage(sent)
      if (sent.delivery?.state === 'queued' && Date.parse(sent.delivery.due) > serverNow() + 500) {
        undo.offer(sent, { ticketId: letter.ticketId, draft: { ...letter.draft }, attachments: letter.attachments })
      }
      void useTickets().loadCounts()
      // What the window still allows, and the ways that are left, are the server's to say.
      await store.refreshDetail().catch(() => undefined)
    })
    return went ? first : null
  }

  const note = (letter: Letter): Promise<boolean> =>
    guarded(async () => {
      const body = { text: letter.draft.note, attachment_ids: letter.attachments.map((file) => file.id) }
      store.takeMessage(await api.note(letter.ticketId, body, keyOf(body)))
    })

  return { busy, fault, stale, refusedFiles, reply, note }
}
