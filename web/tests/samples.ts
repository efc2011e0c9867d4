import type { CallBack, Candidate, HubEvent, Message, Ticket } from '@/api/types'

export function ticket(changes: Partial<Ticket> = {}): Ticket {
  return {
    id: 'T1',
    number: 1,
    subject: 'Pump leaks',
    status: 'open',
    priority: 'normal',
    assignee_id: 'me',
    team_id: null,
    tags: [],
    spam: false,
    contact_id: 'C1',
    contact_name: 'Anna',
    channels: ['email'],
    account_ids: ['A1'],
    last_message: null,
    last_message_at: '2026-01-02T10:00:00Z',
    last_inbound_id: null,
    waiting_since: null,
    message_count: 1,
    undelivered: 0,
    snoozed_until: null,
    resolved_at: null,
    merged_into: null,
    links: [],
    suggested_ticket_id: null,
    version: 1,
    created_at: '2026-01-01T10:00:00Z',
    updated_at: '2026-01-02T10:00:00Z',
    ...changes,
  }
}

export function message(changes: Partial<Message> = {}): Message {
  return {
    id: 'M1',
    account_id: 'A1',
    direction: 'inbound',
    kind: 'message',
    channel: 'email',
    conversation_id: 'V1',
    ticket_id: 'T1',
    contact_id: 'C1',
    sender: { key: 'email:anna@example.com', name: 'Anna', user_id: null },
    to: [],
    cc: [],
    bcc: [],
    subject: '',
    text: 'Hello',
    html: '',
    visible_text: 'Hello',
    quoted_text: '',
    visible_html: '',
    attachments: [],
    automatic: false,
    silent: false,
    silent_reason: '',
    spam: [],
    problems: [],
    placement: null,
    answering_id: null,
    delivery: null,
    raw_event_id: null,
    extra: {},
    sent_at: null,
    at: '2026-01-02T10:00:00Z',
    ...changes,
  }
}

export function event(changes: Partial<HubEvent> = {}): HubEvent {
  return {
    id: 'E1',
    type: 'ticket.status',
    ticket_id: 'T1',
    message_id: null,
    actor: { kind: 'user', id: 'me', name: 'Lin' },
    data: {},
    at: '2026-01-02T10:00:00Z',
    ...changes,
  }
}

export function callBack(changes: Partial<CallBack> = {}): CallBack {
  return {
    id: 'B1',
    account_id: 'A1',
    number: '+4930123456',
    contact_id: 'C1',
    contact_name: 'Anna',
    ticket: null,
    calls: 1,
    reason: 'missed',
    state: 'open',
    due: '2026-01-02T11:00:00Z',
    first_at: '2026-01-02T10:00:00Z',
    last_at: '2026-01-02T10:00:00Z',
    done_at: null,
    done_by: null,
    how: '',
    ...changes,
  }
}

export function candidate(changes: Partial<Candidate> = {}): Candidate {
  return { id: 'C2', name: 'Ben', known_by: 'claim', identities: ['ben@example.com'], open_tickets: 0, last_ticket: null, last_at: null, ...changes }
}
