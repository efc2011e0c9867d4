const WORDS = {
  title: ["Customers", "客户页面"],
  demo: ["Demo", "演示"],
  hint: ["Here you are the customer. What you write arrives in the inbox, and answers come back.", "在这里扮演客户：您写的消息会进入收件箱，客服的回复会显示在这里。"],
  inbox: ["Inbox ↗", "收件箱 ↗"],
  channels: ["Channels", "渠道"],
  others: ["With a page of their own", "有自己的页面"],
  people: ["Customers", "客户"],
  peopleOf: ["Customers on {channel}", "{channel}的客户"],
  noChannel: ["No chat channel is connected.", "没有连接任何聊天渠道。"],
  invent: ["Add", "添加"],
  inventName: ["A new customer's name", "新客户的名字"],
  back: ["All customers", "全部客户"],
  chat: ["Chat", "聊天"],
  actions: ["What else this customer can do", "客户的其他操作"],
  asPerson: ["{name} on {channel}", "{channel} · {name}"],
  attach: ["Send a picture or a file", "发送图片或文件"],
  voice: ["Send a voice note", "发送语音"],
  text: ["Message", "消息"],
  textAs: ["Write as {name}", "以 {name} 的身份发消息"],
  send: ["Send", "发送"],
  empty: ["Nothing here yet. Say hello: it arrives in the inbox at once.", "还没有消息。发一句试试，客服马上就能看到。"],
  reconnecting: ["The hub does not answer. Trying again…", "系统暂时没有响应，正在重新连接……"],
  notSent: ["This was not sent: the hub does not answer.", "没有发出：系统没有响应。"],
  notCarried: ["This channel does not carry such a file.", "这个渠道不支持此类文件。"],
  tooLarge: ["Files of up to 50 MB can be tried here.", "这里最多可以发送 50 MB 的文件。"],
  you: ["You: ", "我："],
  recalledDesk: ["The company took back a message", "对方撤回了一条消息"],
  recalledCustomer: ["You took back a message", "你撤回了一条消息"],
  recalledSystem: ["A message was taken back", "撤回了一条消息"],
  unread: ["New answer", "有新回复"],
  image: ["Picture", "图片"],
  voiceNote: ["Voice note", "语音"],
  video: ["Video", "视频"],
  file: ["File", "文件"],
  location: ["Location", "位置"],
  link: ["Link", "链接"],
  yesterday: ["Yesterday", "昨天"],
  desk: ["Telephones at the desk", "坐席话机"],
  deskPhone: ["Desk telephone {extension}", "坐席话机 {extension}"],
  telephoneHint: ["Both ends of the line: ring as the customer, answer at the desk. The inbox shows the call as it goes on.", "电话的两端都在这里：以客户身份拨打，在坐席话机上接听。收件箱会实时显示通话状态。"],
  onTelephone: ["{name} on the telephone", "{name} 的电话"],
  ringDesk: ["Ring the desk", "拨打客服"],
  calledLine: ["Number to call", "拨打的号码"],
  anonymous: ["Hide the number", "隐藏本机号码"],
  withheld: ["Number withheld", "号码已隐藏"],
  somebodyNew: ["Somebody new", "新来电者"],
  inventCaller: ["Somebody new", "新来电者（陌生号码）"],
  rings: ["Rings", "正在响铃"],
  customer_idle: ["Not on the telephone", "未通话"],
  customer_dialling: ["Rings at the desk…", "正在呼叫客服……"],
  customer_queued: ["Waits in the queue, place {position}", "排队等候中，第 {position} 位"],
  customer_rings: ["The desk calls", "客服来电"],
  customer_talking: ["Talks with the desk", "正在与客服通话"],
  customer_held: ["On hold", "通话被保持"],
  desk_idle: ["Free", "空闲"],
  desk_dialling: ["Rings the customer…", "正在呼叫客户……"],
  desk_rings: ["Incoming call", "来电"],
  desk_placed: ["Answer, and the customer is called", "接听后将呼叫客户"],
  desk_talking: ["Talking", "通话中"],
  desk_held: ["On hold", "保持中"],
  key_answer: ["Answer", "接听"],
  key_decline: ["Decline", "拒接"],
  key_hold: ["Hold", "保持"],
  key_resume: ["Resume", "恢复通话"],
  key_transfer: ["Transfer to {to}", "转接到 {to}"],
  key_hang_up: ["Hang up", "挂断"],
  ended_answered: ["Talked {time}", "通话 {time}"],
  ended_missed: ["Gave up before an answer", "未接通，已挂断"],
  ended_placed_missed: ["Missed call from the desk", "未接的客服来电"],
  ended_busy: ["The line was busy", "线路忙"],
  ended_declined: ["Declined", "已拒接"],
  ended_unanswered: ["No answer", "无人接听"],
  notNow: ["That is no longer possible: the call has moved on.", "操作已失效：通话状态已变化。"],
  performance: ["Customers who write by themselves", "客户自动发言"],
  perform: ["Let customers write for a while", "让客户自动发言"],
  performAgain: ["Let more customers write", "再来一轮"],
  stop: ["Stop", "停止"],
  performHint: ["A minute or two of a busy day, on every channel.", "模拟一两分钟的繁忙时段，覆盖所有渠道。"],
  writing: ["{said} of {total} messages · {name}, {channel}", "第 {said} / {total} 条消息 · {name}（{channel}）"],
  beginning: ["The first customers are typing…", "第一批客户正在输入……"],
  waiting: ["{count} customers wait for an answer; answer some, and they write back.", "{count} 位客户在等回复；回复后他们会继续对话。"],
  waitingOne: ["One customer waits for an answer; answer, and they write back.", "1 位客户在等回复；回复后会继续对话。"],
};
const KEPT = "omnihub.customers.language";

let language = kept() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

function kept() {
  const found = localStorage.getItem(KEPT);
  return found === "zh" || found === "en" ? found : null;
}

export const current = () => language;
export const locale = () => (language === "zh" ? "zh-CN" : "en");

export function choose(wanted) {
  language = wanted;
  localStorage.setItem(KEPT, wanted);
}

export function say(key, values = {}) {
  const words = WORDS[key][language === "zh" ? 1 : 0];
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const knows = (key) => key in WORDS;

/** Fills in all that the page itself says. */
export function label(root) {
  document.documentElement.lang = locale();
  for (const one of root.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  for (const one of root.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", say(one.dataset.label));
    if (one.matches("a, button, input")) one.title = say(one.dataset.label);
  }
}
