import { useI18n } from 'vue-i18n'
import { operations, Problem, tickets as api, type Assignment, type Message, type Priority, type Status, type Ticket } from '@/api'
import { messages as messageApi } from '@/api'
import { usePeople } from '@/stores/people'
import { useSession } from '@/stores/session'
import { useTicket } from '@/stores/ticket'
import { useProblem } from './useProblem'

/** What can be done to the open ticket; every fault is answered in words. */
export function useTicketActions() {
  const { t } = useI18n()
  const store = useTicket()
  const session = useSession()
  const people = usePeople()
  const { say, done, attempt } = useProblem()

  const id = (): string => store.ticket?.id ?? ''
  const change = (run: () => Promise<Ticket>): Promise<boolean> =>
    attempt(async () => {
      store.takeTicket(await run())
      await store.refreshTimeline()
    })

  async function claim(): Promise<void> {
    const ticket = store.ticket
    if (!ticket || ticket.assignee_id !== null || !session.canWrite) return
    try {
      store.takeTicket(await api.claim(ticket.id))
      await store.refreshTimeline()
    } catch (error) {
      if (error instanceof Problem && error.code === 'already_claimed') await tellClaimed(error)
      else say(error)
    }
  }

  async function tellClaimed(problem: Problem): Promise<void> {
    await store.refreshDetail().catch(say)
    const name = people.userName(store.ticket?.assignee_id)
    say(name ? new Problem(problem.status, problem.code, '', t('ticket.alreadyClaimed', { name })) : problem)
  }

  const setStatus = (status: Status): Promise<boolean> => change(() => api.update(id(), { status }))
  const setPriority = (priority: Priority): Promise<boolean> => change(() => api.update(id(), { priority }))
  const setTags = (tags: string[]): Promise<boolean> => change(() => api.update(id(), { tags }))
  const setSubject = (subject: string): Promise<boolean> => change(() => api.update(id(), { subject }))
  const assign = (to: Assignment): Promise<boolean> => change(() => api.assign(id(), to))
  const transfer = (body: Assignment & { reason: string; note: string }): Promise<boolean> =>
    change(() => api.transfer(id(), body))
  const snooze = (until: Date): Promise<boolean> => change(() => api.snooze(id(), until.toISOString()))
  const wake = (): Promise<boolean> => change(() => api.wake(id()))
  const spam = (is: boolean): Promise<boolean> => change(() => api.spam(id(), is))

  const undoOperation = (operationId: string): Promise<boolean> =>
    attempt(async () => {
      await operations.undo(operationId)
      await Promise.all([store.refreshDetail(), store.refreshTimeline()])
      done(t('operation.undone'))
    })

  const withMessage = (run: () => Promise<Message>): Promise<boolean> =>
    attempt(async () => store.takeMessage(await run()))
  const cancelMessage = (messageId: string): Promise<boolean> => withMessage(() => messageApi.cancel(messageId))
  const recallMessage = (messageId: string): Promise<boolean> => withMessage(() => messageApi.recall(messageId))
  const resendMessage = (messageId: string): Promise<boolean> => withMessage(() => messageApi.resend(messageId))
  const settleMessage = (messageId: string, sent: boolean): Promise<boolean> =>
    withMessage(() => messageApi.settle(messageId, sent))

  return {
    claim,
    setStatus,
    setPriority,
    setTags,
    setSubject,
    assign,
    transfer,
    snooze,
    wake,
    spam,
    undoOperation,
    cancelMessage,
    recallMessage,
    resendMessage,
    settleMessage,
  }
}
