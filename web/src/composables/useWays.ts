import { computed, watch, type Ref } from 'vue'
import type { TicketDetail } from '@/api'
import { instead, isOpen, isUsable, usualWay, waysOf, type Way } from '@/lib/ways'
import { isClosed, windowState } from '@/lib/replyWindow'
import { useChannels } from '@/stores/channels'
import { useTicket } from '@/stores/ticket'
import { useNow } from './useNow'

/** The ways to answer a ticket, and the one that is chosen by its id. */
export function useWays(detail: () => TicketDetail, chosen: Ref<string>) {
  const store = useTicket()
  const channels = useChannels()
  const now = useNow(1000)

  const ways = computed(() => waysOf(detail()))
  const current = computed(() => ways.value.find((way) => way.id === chosen.value))
  const anyUsable = computed(() => ways.value.some((way) => isUsable(way.reply, now.value)))
  const state = computed(() => (current.value ? windowState(current.value.reply, now.value) : 'none'))
  const closed = computed(() => isClosed(state.value))
  const open = computed(() => (current.value ? isOpen(current.value.reply, now.value) : false))
  /** Of the account that carries the answer. */
  const channel = computed(() => {
    const reply = current.value?.reply
    const carrier = channels.accountById.get(reply?.reply_account_id ?? '')?.channel
    return channels.byKey.get(carrier ?? reply?.channel ?? '')
  })
  const suggested = computed(() => (closed.value ? instead(ways.value, current.value, now.value) : undefined))
  const hasOthers = computed(() => ways.value.some((way) => way.kind === 'elsewhere'))

  const lastInbound = computed(() => store.messages.findLast((one) => one.direction === 'inbound' && one.kind !== 'notice'))
  function chooseUsual(): void {
    chosen.value = usualWay(ways.value, lastInbound.value?.conversation_id, now.value)?.id ?? ''
  }
  const choose = (way: Way): void => void (chosen.value = way.id)

  watch(
    ways,
    () => {
      if (!current.value) chooseUsual()
    },
    { immediate: true },
  )

  return { ways, current, anyUsable, state, closed, open, channel, suggested, hasOthers, lastInbound, now, choose, chooseUsual }
}
