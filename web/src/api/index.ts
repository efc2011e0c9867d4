/** Every call that the web app makes, by the contract of /api/v1. */
import { API_BASE, create, download, get, patch, post, put, remove, request, type RequestOptions } from './http'
import type {
  Account,
  AccountBody,
  Attachment,
  CallBack,
  CallFilters,
  CallQuery,
  CallRow,
  Channel,
  Contact,
  Conversation,
  Counts,
  DeadLetter,
  Dialled,
  Finding,
  HubStatus,
  MergeResult,
  Message,
  NumberOwners,
  Operation,
  OutboxMessage,
  Page,
  PhoneLine,
  Priority,
  RecordingAccess,
  ReplyBody,
  Role,
  SearchAnswer,
  SearchQuery,
  Session,
  Status,
  Team,
  Ticket,
  TicketDetail,
  TicketQuery,
  TimelineItem,
  Token,
  User,
} from './types'

type Listed<T> = { items: T[] }

export const session = {
  read: () => request<Session>('GET', '/session', { quiet401: true }),
  open: (email: string, password: string) =>
    request<Session>('POST', '/session', { body: { email, password }, quiet401: true }),
  close: () => remove<void>('/session'),
  updateMe: (body: { name?: string; locale?: string; current_password?: string; new_password?: string }) =>
    patch<User>('/me', body),
}

export const users = {
  list: () => get<Listed<User>>('/users').then((page) => page.items),
  create: (body: { email: string; name: string; role: Role; locale?: string; password?: string }) =>
    create<{ user: User; password: string }>('/users', body),
  update: (id: string, body: Partial<Pick<User, 'name' | 'role' | 'active' | 'extensions'>>) => patch<User>(`/users/${id}`, body),
  resetPassword: (id: string) => post<{ password: string }>(`/users/${id}/reset`),
}

export const teams = {
  list: () => get<Listed<Team>>('/teams').then((page) => page.items),
  create: (body: Omit<Team, 'id'>) => create<Team>('/teams', body),
  update: (id: string, body: Partial<Omit<Team, 'id'>>) => patch<Team>(`/teams/${id}`, body),
  remove: (id: string) => remove<void>(`/teams/${id}`),
}

export const tokens = {
  list: () => get<Listed<Token>>('/tokens').then((page) => page.items),
  create: (body: { name: string; scopes: string[] }) => create<Token>('/tokens', body),
  remove: (id: string) => remove<void>(`/tokens/${id}`),
}

export interface Assignment {
  assignee_id: string | null
  team_id: string | null
}

const ticketPath = (id: string | number): string => `/tickets/${encodeURIComponent(String(id))}`

export const tickets = {
  list: (query: TicketQuery) => get<Page<Ticket>>('/tickets', { ...query }),
  counts: () => get<Counts>('/tickets/counts'),
  read: (id: string | number) => get<TicketDetail>(ticketPath(id)),
  timeline: (id: string | number, cursor?: string, limit = 50) =>
    get<Page<TimelineItem>>(`${ticketPath(id)}/timeline`, { cursor, limit }),
  update: (id: string, body: { status?: Status; priority?: Priority; subject?: string; tags?: string[] }) =>
    patch<Ticket>(ticketPath(id), body),
  claim: (id: string) => post<Ticket>(`${ticketPath(id)}/claim`),
  assign: (id: string, body: Assignment) => post<Ticket>(`${ticketPath(id)}/assign`, body),
  transfer: (id: string, body: Assignment & { reason: string; note: string }) =>
    post<Ticket>(`${ticketPath(id)}/transfer`, body),
  snooze: (id: string, until: string) => post<Ticket>(`${ticketPath(id)}/snooze`, { until }),
  wake: (id: string) => post<Ticket>(`${ticketPath(id)}/wake`),
  spam: (id: string, spam: boolean) => post<Ticket>(`${ticketPath(id)}/spam`, { spam }),
  reply: (id: string, body: ReplyBody, key: string) => create<Message>(`${ticketPath(id)}/replies`, body, key),
  typing: (id: string, conversationId: string) =>
    post<{ shown: boolean }>(`${ticketPath(id)}/typing`, { conversation_id: conversationId }),
  note: (id: string, body: { text: string; attachment_ids?: string[] }, key: string) =>
    create<Message>(`${ticketPath(id)}/notes`, body, key),
  merge: (id: string, into: string | number, reason: string) =>
    create<MergeResult>(`${ticketPath(id)}/merge`, { into, reason }),
  split: (id: string, body: { message_ids: string[]; subject?: string; reason?: string }) =>
    create<MergeResult>(`${ticketPath(id)}/split`, body),
  move: (id: string, conversationId: string, to: string | number, reason: string) =>
    create<MergeResult>(`${ticketPath(id)}/move`, { conversation_id: conversationId, to, reason }),
}

export const operations = {
  undo: (id: string) => post<{ operation: Operation }>(`/operations/${id}/undo`),
}

export const conversations = {
  confirm: (id: string, key: string) => post<Conversation>(`/conversations/${id}/participants/confirm`, { key }),
}

export const messages = {
  cancel: (id: string) => post<Message>(`/messages/${id}/cancel`),
  recall: (id: string) => post<Message>(`/messages/${id}/recall`),
  resend: (id: string) => post<Message>(`/messages/${id}/resend`),
  settle: (id: string, sent: boolean) => post<Message>(`/messages/${id}/settle`, { sent }),
  rawUrl: (id: string) => `${API_BASE}/messages/${id}/raw`,
}

export const attachments = {
  url: (file: Attachment) => `${API_BASE}/attachments/${file.id}?name=${encodeURIComponent(file.filename)}`,
  pictureUrl: (id: string | undefined) => (id ? `${API_BASE}/attachments/${id}?inline=1` : ''),
  inlineUrl: (file: Attachment) => `${API_BASE}/attachments/${file.id}?inline=1`,
}

export const calls = {
  list: (query: CallQuery) => get<Page<CallRow>>('/calls', { ...query }),
  export: (filters: CallFilters, tell: (bytes: number) => void) => download('/calls/export', { ...filters }, tell),
  lines: () => get<{ items: PhoneLine[]; extensions: string[] }>('/calls/lines'),
  dial: (body: { account_id: string; number: string; ticket_id?: string }) => post<Dialled>('/calls', body),
  wrapUp: (messageId: string, body: { disposition: string; note: string }) => put<Message>(`/calls/${messageId}/wrap-up`, body),
  dispositions: (account_id: string) => get<Listed<string>>('/calls/dispositions', { account_id }).then((page) => page.items),
  accesses: (messageId: string) => get<Listed<RecordingAccess>>(`/calls/${messageId}/recording-accesses`).then((page) => page.items),
}

export const callBacks = {
  list: (state: CallBack['state'], cursor?: string, limit = 50) =>
    get<Page<CallBack> & { open: number }>('/call-backs', { state, cursor, limit }),
  done: (id: string) => post<CallBack>(`/call-backs/${id}/done`),
  reopen: (id: string) => post<CallBack>(`/call-backs/${id}/reopen`),
}

export const contacts = {
  list: (q: string, cursor?: string) => get<Page<Contact>>('/contacts', { q, cursor }),
  read: (id: string) => get<Contact>(`/contacts/${id}`),
  byNumber: (number: string) => get<NumberOwners>('/contacts/by-number', { number }),
  rename: (id: string, name: string) => patch<Contact>(`/contacts/${id}`, { name }),
  merge: (id: string, into: string, reason: string) =>
    create<{ contact: Contact; operation: Operation }>(`/contacts/${id}/merge`, { into, reason }),
}

export const search = {
  find: (query: SearchQuery, options: RequestOptions = {}) => get<SearchAnswer>('/search', { ...query }, options),
}

export const channels = {
  list: () => get<Listed<Channel>>('/channels').then((page) => page.items),
}

export const accounts = {
  list: () => get<Listed<Account>>('/accounts').then((page) => page.items),
  create: (body: AccountBody, key: string) => create<Account>('/accounts', body, key),
  update: (id: string, body: Partial<Omit<AccountBody, 'channel'>>) => patch<Account>(`/accounts/${id}`, body),
  remove: (id: string) => remove<void>(`/accounts/${id}`),
  enable: (id: string, enabled: boolean) => post<Account>(`/accounts/${id}/${enabled ? 'enable' : 'disable'}`),
  test: (id: string) => post<{ findings: Finding[] }>(`/accounts/${id}/test`),
  testDraft: (body: { channel: string; settings: Record<string, unknown>; account_id?: string }) =>
    post<{ findings: Finding[] }>('/accounts/test', body),
}

export const deadLetters = {
  list: (cursor?: string) => get<Page<DeadLetter>>('/dead-letters', { cursor }),
  read: (id: string) => get<DeadLetter>(`/dead-letters/${id}`),
  replay: (id: string) => post<unknown>(`/dead-letters/${id}/replay`),
  replayAll: () => post<unknown>('/dead-letters/replay-all'),
  discard: (id: string) => post<unknown>(`/dead-letters/${id}/discard`),
}

export const outbox = {
  list: (state: string, cursor?: string) => get<Page<OutboxMessage>>('/outbox', { state, cursor }),
}

export const hub = {
  status: () => get<HubStatus>('/status'),
}

export { Problem, serverNow } from './http'
export { uploadAttachment } from './upload'
export * from './types'
