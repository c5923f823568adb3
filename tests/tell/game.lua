-- A small stub of the game: what the addon calls of it, and how the game loads an addon's files. The tests say which
-- of it there is. It runs in plain Lua 5.1.

Game = { lines = {}, chat = {}, errors = {}, hooks = {}, postCalls = {}, frames = {}, now = 0, names = {} }

local realTime = os and os.clock

-- What the game has not.
os, io, require, package, dofile, loadfile, module = nil, nil, nil, nil, nil, nil, nil

-- The game's time and place.
function GetServerTime() return Game.now end
function time() return Game.now end
function GetCurrentRegion() return Game.region or 3 end

Game.clock = realTime

-- Items that the game knows by name.
C_Item = {}
function C_Item.GetItemInfoInstant(item)
    return Game.names[item]
end

-- Tooltips
local function tooltip(name)
    local shown = { name = name, scripts = {} }
    function shown:AddDoubleLine(left, right, lr, lg, lb, rr, rg, rb)
        Game.lines[#Game.lines + 1] = { left = left, right = right, isRed = rr == 1 and rg < 0.5 and rb < 0.5 }
    end
    function shown:AddLine(left, r, g, b)
        Game.lines[#Game.lines + 1] = { left = left, right = "", isRed = r == 1 and g < 0.5 and b < 0.5 }
    end
    function shown:HookScript(event, call)
        self.scripts[event] = self.scripts[event] or {}
        table.insert(self.scripts[event], call)
    end
    function shown:GetItem() return "name", self.link end
    function shown:IsForbidden() return self.isForbidden or false end
    function shown:IsShown() return false end
    return shown
end

GameTooltip, ItemRefTooltip = tooltip("GameTooltip"), tooltip("ItemRefTooltip")
Enum = { TooltipDataType = { Item = 0, Spell = 1 } }
TooltipDataProcessor = {}
function TooltipDataProcessor.AddTooltipPostCall(kind, call)
    table.insert(Game.postCalls, { kind = kind, call = call })
end

-- Chat, commands and events
DEFAULT_CHAT_FRAME = {}
function DEFAULT_CHAT_FRAME:AddMessage(text) table.insert(Game.chat, text) end
SlashCmdList = {}

function CreateFrame()
    local frame = { events = {} }
    function frame:RegisterEvent(event) self.events[event] = true end
    function frame:SetScript(_, call) self.call = call end
    table.insert(Game.frames, frame)
    return frame
end

-- What the tests do.

-- Load a file of an addon as the game does: an error in one is shown, and the next is loaded.
function Game.load(name, code, file, shared)
    local chunk, problem = loadstring(code, "@" .. file)
    if chunk then
        local ended, raised = pcall(chunk, name, shared)
        problem = not ended and raised or nil
    end
    if problem then table.insert(Game.errors, problem) end
end

-- Forget which newer parts of the game there are.
function Game.makeOld()
    TooltipDataProcessor, Enum, GetServerTime, GetCurrentRegion = nil, nil, nil, nil
    GetItemInfoInstant, C_Item = C_Item.GetItemInfoInstant, nil
end

-- Point at an item: its lines in the tooltip.
function Game.pointAt(link, id)
    Game.lines = {}
    GameTooltip.link = link
    if TooltipDataProcessor then
        for _, one in ipairs(Game.postCalls) do
            if one.kind == 0 then one.call(GameTooltip, { id = id, hyperlink = link, type = 0 }) end
        end
    else
        for _ = 1, 2 do
            for _, call in ipairs(GameTooltip.scripts.OnTooltipSetItem) do call(GameTooltip) end
        end
        for _, call in ipairs(GameTooltip.scripts.OnTooltipCleared) do call(GameTooltip) end
    end
    return Game.lines
end

-- Type a command.
function Game.type(text)
    Game.chat = {}
    SlashCmdList["IRONFORGE"](text)
    return table.concat(Game.chat, "\n")
end

function Game.logIn()
    Game.chat = {}
    for _, frame in ipairs(Game.frames) do
        if frame.events.PLAYER_LOGIN then frame.call(frame, "PLAYER_LOGIN") end
    end
    return table.concat(Game.chat, "\n")
end
