-- What commodities cost and how many sell, in their tooltips, by figures that the program ironforge collected.
--
-- Free software under the MIT licence. Everything it does is in this file; Data.lua holds figures alone, and is
-- written anew by `ironforge export addon`. Texts are English, and numbers are written alike in every language.

local addonName, addon = ...

local DATA_FORMAT = 1
local COPPER_A_SILVER, COPPER_A_GOLD = 100, 10000
local MINUTE, HOUR, DAY = 60, 3600, 86400
local ITEMS_A_BUCKET = 1000
local HIGHEST_ITEM = 2147483647
local UNKNOWN, NONE_FOR_SALE = "unknown", "none for sale"
-- What the game calls its regions by number.
local REGIONS = { "us", "kr", "eu", "tw", "cn" }
local GREY, WHITE, RED = { 0.62, 0.62, 0.62 }, { 1, 1, 1 }, { 1, 0.13, 0.13 }
local TITLE = { 1, 0.82, 0 }

local floor, format, tonumber, type = math.floor, string.format, tonumber, type


-- Words

-- 1234567 as 1,234,567.
local function whole(number)
    -- Not by %d: the game refuses what is more than 32 bits there.
    local digits = format("%.0f", floor(number + 0.5))
    local grouped = digits:reverse():gsub("(%d%d%d)", "%1,"):reverse()
    return (grouped:gsub("^,", ""))
end

-- Units: few of them with a fraction, put together from whole numbers, so that no language changes its point.
local function units(number)
    if number >= 10 or number == floor(number) then
        return whole(number)
    end
    local hundredths = floor(number * 100 + 0.5)
    return (format("%d.%02d", floor(hundredths / 100), hundredths % 100):gsub("%.?0+$", ""))
end

local function money(copper)
    local amount = floor(copper + 0.5)
    local gold, silver = floor(amount / COPPER_A_GOLD), floor(amount / COPPER_A_SILVER) % 100
    if gold >= 100 then
        return whole(amount / COPPER_A_GOLD) .. "g"
    end
    local words = {}
    if gold > 0 then words[#words + 1] = gold .. "g" end
    if silver > 0 then words[#words + 1] = silver .. "s" end
    if amount % 100 > 0 then words[#words + 1] = amount % 100 .. "c" end
    return #words > 0 and table.concat(words, " ") or "0c"
end

local function ago(seconds)
    if seconds < -HOUR then return "dated ahead" end
    if seconds < MINUTE then return "just now" end
    if seconds < HOUR then return floor(seconds / MINUTE) .. " min ago" end
    if seconds < 2 * DAY then return floor(seconds / HOUR) .. " h ago" end
    return floor(seconds / DAY) .. " days ago"
end


-- Figures

-- A decimal number of the data, by whole numbers alone: what tonumber takes for a point can depend on the language.
local function decimal(text)
    local before, after = text:match("^(%d+)%.?(%d*)$")
    if not before then return nil end
    if after == "" then return tonumber(before) end
    return tonumber(before) + tonumber(after) / 10 ^ #after
end

-- The data, or nil and what is wrong with them. A file that was cut in half is none to the game.
local function data()
    local found = addon.data
    if type(found) ~= "table" then
        return nil, "its file Data.lua is missing or damaged: run `ironforge export addon` again, then type /reload"
    end
    if found.format ~= DATA_FORMAT then
        return nil, "its files are of two versions: run `ironforge export addon` again, then type /reload"
    end
    return found
end

local function age(found)
    local now = GetServerTime and GetServerTime() or time()
    return now - found.snapshot
end

-- Whether an age has to be seen: over a day, or ahead of the game's clock by more than clocks differ.
local function isDoubtful(seconds)
    return seconds > DAY or seconds < -HOUR
end

-- "EU", and in which other region the player is, if so.
local function regionOf(found)
    local here = GetCurrentRegion and REGIONS[GetCurrentRegion()]
    if here and here ~= found.region then
        return format("%s (you play in %s)", found.region:upper(), here:upper()), true
    end
    return found.region:upper(), false
end

local known = {}

-- The figures of an item; nil where nothing is known of it. Those that are unknown are nil in them. Copper, and units
-- a day. An entry of the data is "ITEM:MARKET,USUAL,CHEAPEST,LOW,SOLD,HIGH,DAYS;", prices in silver, its number
-- without thousands; it is read when it is first asked for.
local function figuresOf(found, item)
    if known[item] ~= nil then
        return known[item] or nil
    end
    known[item] = false
    local bucket = found.buckets[floor(item / ITEMS_A_BUCKET)]
    local _, stop = (bucket or ""):find(";" .. item % ITEMS_A_BUCKET .. ":", 1, true)
    local entry = stop and bucket:match("^([%d%.,]*);", stop + 1)
    if not entry then
        return nil
    end
    local numbers, place = {}, 0
    for text in (entry .. ","):gmatch("([^,]*),") do
        place = place + 1
        numbers[place] = decimal(text)
    end
    local function copper(silver)
        return silver and floor(silver * COPPER_A_SILVER + 0.5)
    end
    known[item] = {
        market = copper(numbers[1]),
        usual = copper(numbers[2]),
        cheapest = copper(numbers[3]),
        low = numbers[4],
        sold = numbers[5],
        high = numbers[6],
        days = numbers[7],
    }
    return known[item]
end


-- Items

local function isSecret(value)
    return issecretvalue ~= nil and issecretvalue(value)
end

local function positive(number)
    if number and number > 0 and number <= HIGHEST_ITEM and number == floor(number) then
        return number
    end
end

-- The number of an item that is named by number, link, item string or, where the game knows it, by name; else nil.
local function itemIdOf(item)
    if isSecret(item) then return nil end
    if type(item) == "number" then return positive(item) end
    if type(item) ~= "string" then return nil end
    local text = item:match("^%s*(.-)%s*$")
    local digits = text:match("|Hitem:(%d+)") or text:match("^item:(%d+)") or text:match("^i:(%d+)")
        or text:match("^(%d+)$")
    if digits then return positive(tonumber(digits)) end
    if text == "" or text:find("|H", 1, true) or text:find("^%a+:[%d:]") then return nil end
    local instantly = C_Item and C_Item.GetItemInfoInstant or GetItemInfoInstant
    local number = instantly and instantly(text)
    if type(number) == "number" then return positive(number) end
    local slowly = C_Item and C_Item.GetItemInfo or GetItemInfo
    local link = slowly and select(2, slowly(text))
    return type(link) == "string" and positive(tonumber(link:match("|Hitem:(%d+)"))) or nil
end


-- For other addons

-- What is known of an item, in a table of one's own where one is given, which is emptied first. `item` is a number, a
-- link, an item string or a name. What is not known is nil, never 0; a price is copper, right to the silver. Keys:
--   input, itemid         what was asked for, and its number
--   market                the region's market value in the newest snapshot
--   region, usual         the usual price: the median of the days of two weeks
--   cheapest              the cheapest unit
--   soldLow, sold, soldHigh   units sold a day over a week: at least, the estimate, at most
--   days                  how many days before the snapshot it was last for sale; 0 is that day
--   age                   seconds since the snapshot
function IronforgeMarketInfo(item, reused)
    local told = {}
    if type(reused) == "table" then
        told = reused
        for key in pairs(told) do told[key] = nil end
    end
    if item == nil then
        return type(reused) == "table" and told or nil
    end
    told.input, told.itemid = item, itemIdOf(item)
    local found = data()
    local figures = found and told.itemid and figuresOf(found, told.itemid)
    if figures then
        told.market, told.region, told.usual, told.cheapest =
            figures.market, figures.usual, figures.usual, figures.cheapest
        told.soldLow, told.sold, told.soldHigh = figures.low, figures.sold, figures.high
        told.days, told.age = figures.days, math.max(0, age(found))
    end
    return told
end

-- The name by which many addons ask for prices. Another addon's own stays.
if OEMarketInfo == nil then
    OEMarketInfo = IronforgeMarketInfo
end


-- Tooltips and the chat

local function soldADay(figures)
    if not figures.sold then return UNKNOWN end
    local bounds = figures.low and figures.high
        and format(" (%s to %s)", units(figures.low), units(figures.high)) or ""
    return units(figures.sold) .. bounds
end

-- The lines about an item, each a left and a right text with the right one's colour; nil where nothing is known of it.
local function linesOf(found, item)
    local figures = figuresOf(found, item)
    if not figures then return nil end
    local seconds = age(found)
    local region, isElsewhere = regionOf(found)
    return {
        { "Ironforge " .. region, ago(seconds), (isDoubtful(seconds) or isElsewhere) and RED or GREY },
        { "Price", figures.market and money(figures.market) or NONE_FOR_SALE, WHITE },
        { "Usual price", figures.usual and money(figures.usual) or UNKNOWN, WHITE },
        { "Sold a day", soldADay(figures), WHITE },
    }
end

local function addTo(tooltip, item)
    if IronforgeSettings and IronforgeSettings.isTooltipOff then return end
    if not item or not tooltip.AddDoubleLine or (tooltip.IsForbidden and tooltip:IsForbidden()) then return end
    local found, problem = data()
    if not found then
        tooltip:AddLine("Ironforge: no figures, " .. problem .. ".", RED[1], RED[2], RED[3], true)
        return
    end
    local lines = linesOf(found, item)
    if not lines then return end
    for place, line in ipairs(lines) do
        local left, right = place == 1 and TITLE or GREY, line[3]
        tooltip:AddDoubleLine(line[1], line[2], left[1], left[2], left[3], right[1], right[2], right[3])
    end
    -- A tooltip that is shown already has to grow.
    if tooltip.Show and tooltip.IsShown and tooltip:IsShown() then tooltip:Show() end
end

if TooltipDataProcessor and TooltipDataProcessor.AddTooltipPostCall then
    local itemType = Enum and Enum.TooltipDataType and Enum.TooltipDataType.Item or 0
    TooltipDataProcessor.AddTooltipPostCall(itemType, function(tooltip, told)
        local item = told and told.id
        addTo(tooltip, item ~= nil and itemIdOf(item) or nil)
    end)
else
    -- Older games call it for what is made, too: the lines are added once until the tooltip is cleared.
    local isDone = setmetatable({}, { __mode = "k" })
    for _, tooltip in pairs({ GameTooltip, ItemRefTooltip }) do
        tooltip:HookScript("OnTooltipCleared", function(cleared) isDone[cleared] = nil end)
        tooltip:HookScript("OnTooltipSetItem", function(shown)
            if isDone[shown] then return end
            isDone[shown] = true
            local _, link = shown:GetItem()
            addTo(shown, itemIdOf(link))
        end)
    end
end

local function say(text)
    local chat = DEFAULT_CHAT_FRAME
    if chat then chat:AddMessage(text) else print(text) end
end

local function coloured(text, colour)
    return format("|cff%02x%02x%02x%s|r", colour[1] * 255, colour[2] * 255, colour[3] * 255, text)
end

local function sayState(found)
    local seconds = age(found)
    local region, isElsewhere = regionOf(found)
    local text = format("Ironforge: %s items of %s, %s.", whole(found.items), region, ago(seconds))
    say((isDoubtful(seconds) or isElsewhere) and coloured(text, RED) or text)
    say("/ironforge ITEM shows an item: a link (shift-click), a number or a name. /ironforge tooltip turns its lines"
        .. " in tooltips off or on.")
end

local function sayItem(found, text)
    local item = itemIdOf(text)
    if not item then
        say(format("Ironforge: the game knows no item %q yet. Link it with shift-click, or give its number.", text))
        return
    end
    local lines = linesOf(found, item)
    if not lines then
        say(format("Ironforge: nothing is known of item %d: it is no commodity, or had no price for two weeks.", item))
        return
    end
    local figures = figuresOf(found, item)
    lines[#lines + 1] = { "Cheapest", figures.cheapest and money(figures.cheapest) or NONE_FOR_SALE, WHITE }
    for place, line in ipairs(lines) do
        local name = place == 1 and format("%s, %s", line[1], text) or "  " .. line[1]
        say(format("%s: %s", name, line[3] == RED and coloured(line[2], RED) or line[2]))
    end
end

SLASH_IRONFORGE1 = "/ironforge"
SlashCmdList = SlashCmdList or {}
SlashCmdList["IRONFORGE"] = function(given)
    local text = (given or ""):match("^%s*(.-)%s*$")
    if text:lower() == "tooltip" then
        IronforgeSettings = IronforgeSettings or {}
        IronforgeSettings.isTooltipOff = not IronforgeSettings.isTooltipOff or nil
        say("Ironforge: its lines in tooltips are " .. (IronforgeSettings.isTooltipOff and "off." or "on."))
        return
    end
    local found, problem = data()
    if not found then
        say(coloured("Ironforge: no figures, " .. problem .. ".", RED))
    elseif text == "" then
        sayState(found)
    else
        sayItem(found, text)
    end
end

-- Who logs in hears at once that there are no figures.
if CreateFrame then
    local frame = CreateFrame("Frame")
    frame:RegisterEvent("PLAYER_LOGIN")
    frame:SetScript("OnEvent", function()
        local found, problem = data()
        if not found then
            say(coloured(format("%s: no figures, %s.", addonName, problem), RED))
        end
    end)
end
